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

/** A user error from the server. Its field is a path inside the input. */
export interface UserError {
  readonly field: readonly string[] | null
  readonly message: string
}

/** Returns the value of a field by its name. */
export type Values = (name: string) => string

const FieldErrors = createContext<ReadonlyMap<string, string>>(new Map())

/**
 * A form that the server validates. `send` returns the user errors. Each is shown next to its field, and the first such
 * field gets the focus. Errors without a field here, and what `send` throws, are shown above the button.
 */
export function Form({
  send,
  action,
  kind = 'main',
  onCancel,
  children,
}: {
  send: (values: Values) => Promise<readonly UserError[]>
  action: string
  /** The style of the button. */
  kind?: 'main' | 'minor' | 'danger'
  onCancel?: () => void
  children?: ReactNode
}) {
  const form = useRef<HTMLFormElement>(null)
  const [userErrors, setUserErrors] = useState<readonly UserError[]>([])
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const byField = new Map<string, string>()
  for (const { field, message } of userErrors) {
    const name = field?.join('.')
    if (name) byField.set(name, [byField.get(name), message].filter(Boolean).join(' '))
  }
  const shown = (field: readonly string[] | null) =>
    field !== null && form.current?.elements.namedItem(field.join('.')) != null
  const others = userErrors.filter(({ field }) => !shown(field))

  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [userErrors])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (busy) return
    const data = new FormData(event.currentTarget)
    setBusy(true)
    setError(null)
    try {
      setUserErrors(await send((name) => String(data.get(name) ?? '')))
    } catch (thrown) {
      setUserErrors([])
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }

  return (
    <FieldErrors value={byField}>
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
            {busy ? 'Please wait…' : action}
          </button>
          {onCancel && (
            <button type="button" className="quiet" onClick={onCancel}>
              Cancel
            </button>
          )}
        </div>
      </form>
    </FieldErrors>
  )
}

interface Labelled {
  /** The path inside the input, joined by dots. */
  name: string
  label: string
  hint?: ReactNode
  optional?: boolean
}

/** A control with its label, hint and error. */
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
  const fieldError = use(FieldErrors).get(name)
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
      {control({ id, name, 'aria-invalid': fieldError !== undefined, 'aria-describedby': `${id}-hint ${id}-error` })}
      <p className="field-error" id={`${id}-error`} aria-live="polite">
        {fieldError}
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

/** A password input with a button that shows the password. */
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
