import { useEffect, useId, useRef, useState } from 'react'

import { Alert } from './Alert'

/** A dialog that asks for confirmation before an action that cannot be undone. */
export function Confirm({
  title,
  text,
  action,
  onConfirm,
  onClose,
}: {
  title: string
  text: string
  action: string
  onConfirm: () => Promise<unknown>
  onClose: () => void
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    return () => shown?.close()
  }, [])
  const confirm = async () => {
    if (busy) return
    setBusy(true)
    try {
      await onConfirm()
      onClose()
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={onClose}>
      <h2 id={id}>{title}</h2>
      <p>{text}</p>
      {error != null && <Alert error={error} />}
      <div className="buttons">
        <button className="danger" aria-disabled={busy} onClick={confirm}>
          {action}
        </button>
        <button className="quiet" autoFocus onClick={onClose}>
          Cancel
        </button>
      </div>
    </dialog>
  )
}
