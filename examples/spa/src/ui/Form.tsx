import {
  createContext,
  use,
  useEffect,
  useId,
  useRef,
  useState,
  type FormEvent,
  type InputHTMLAttributes,
  type ReactNode,
  type TextareaHTMLAttributes,
} from 'react'

import { Alert } from './Alert'

/** A mistake as the server tells it: its field is a path inside the input. */
export interface Mistake {
  readonly field: readonly string[] | null
  readonly message: string
}

/** What a form holds, by the names of its fields. */
export type Values = (name: string) => string

const Mistakes = createContext<ReadonlyMap<string, string>>(new Map())

/**
 * A form whose judge is the server. `send` returns the mistakes: each is shown beside its field, and the first one gets
 * the focus; those of no field here are shown above the button. What `send` throws is shown there too.
 */
export function Form({
  send,
  action,
  kind = 'main',
  onCancel,
  children,
}: {
  send: (values: Values) => Promise<readonly Mistake[]>
  action: string
  /** How the button looks. */
  kind?: 'main' | 'minor' | 'danger'
  onCancel?: () => void
  children?: ReactNode
}) {
  const form = useRef<HTMLFormElement>(null)
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([])
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const byField = new Map<string, string>()
  for (const { field, message } of mistakes) {
    const name = field?.join('.')
    if (name) byField.set(name, [byField.get(name), message].filter(Boolean).join(' '))
  }
  const shown = (field: readonly string[] | null) =>
    field !== null && form.current?.elements.namedItem(field.join('.')) != null
  const others = mistakes.filter(({ field }) => !shown(field))

  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [mistakes])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (busy) return
    const data = new FormData(event.currentTarget)
    setBusy(true)
    setError(null)
    try {
      setMistakes(await send((name) => String(data.get(name) ?? '')))
    } catch (thrown) {
      setMistakes([])
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Mistakes value={byField}>
      <form ref={form} noValidate onSubmit={submit}>
        {children}
        <div role="alert">
          {others.map(({ message }) => (
            <p className="alert" key={message}>
              {message}
            </p>
          ))}
        </div>
        {error != null && <Alert error={error} />}
        <div className="buttons">
          <button type="submit" className={kind} aria-disabled={busy}>
            {busy ? 'One moment…' : action}
          </button>
          {onCancel && (
            <button type="button" className="quiet" onClick={onCancel}>
              Cancel
            </button>
          )}
        </div>
      </form>
    </Mistakes>
  )
}

interface Labelled {
  /** The path inside the input, with dots. */
  name: string
  label: string
  hint?: ReactNode
  optional?: boolean
}

/** Puts a control between its label and what there is to say about it. */
function Labelled({
  name,
  label,
  hint,
  optional,
  control,
}: Labelled & {
  control: (props: { id: string; name: string; 'aria-invalid': boolean; 'aria-describedby': string }) => ReactNode
}) {
  const id = useId()
  const mistake = use(Mistakes).get(name)
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {optional && <span className="optional"> (optional)</span>}
      </label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {control({ id, name, 'aria-invalid': mistake !== undefined, 'aria-describedby': `${id}-hint ${id}-mistake` })}
      <p className="mistake" id={`${id}-mistake`} aria-live="polite">
        {mistake}
      </p>
    </div>
  )
}

export function Field({ name, label, hint, optional, ...input }: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Labelled
      {...{ name, label, hint, optional: optional ?? false }}
      control={(props) => <input {...input} {...props} />}
    />
  )
}

export function TextField({
  name,
  label,
  hint,
  optional,
  ...area
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Labelled
      {...{ name, label, hint, optional: optional ?? false }}
      control={(props) => <textarea {...area} {...props} />}
    />
  )
}

/** A password, which its owner may look at. */
export function PasswordField({
  name,
  label,
  hint,
  autoComplete,
}: Labelled & {
  autoComplete: 'current-password' | 'new-password'
}) {
  const [visible, setVisible] = useState(false)
  return (
    <Labelled
      {...{ name, label, hint }}
      control={(props) => (
        <div className="password">
          <input {...props} type={visible ? 'text' : 'password'} autoComplete={autoComplete} spellCheck={false} />
          <button
            type="button"
            className="quiet"
            aria-pressed={visible}
            aria-label={`Show: ${label}`}
            onClick={() => setVisible(!visible)}
          >
            {visible ? 'Hide' : 'Show'}
          </button>
        </div>
      )}
    />
  )
}
