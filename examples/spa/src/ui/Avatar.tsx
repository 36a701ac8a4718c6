/** The first letter of a name, on a color derived from the name. */
export function Avatar({ name, large }: { name: string; large?: boolean }) {
  const hue = [...name].reduce((sum, letter) => sum + letter.codePointAt(0)!, 0) % 6
  return (
    <span aria-hidden="true" className={`avatar hue-${hue}${large ? ' large' : ''}`}>
      {[...name][0]?.toUpperCase()}
    </span>
  )
}
