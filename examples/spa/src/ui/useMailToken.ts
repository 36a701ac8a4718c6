import { useEffect, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'

/**
 * Returns the token from the link in a mail, or null. It stands behind the `#`, which browsers send to nobody, and is
 * taken out of the address, which stays in the history.
 */
export function useMailToken(): string | null {
  const { hash, pathname } = useLocation()
  const navigate = useNavigate()
  const [token, setToken] = useState(() => find(hash))
  useEffect(() => {
    const found = find(hash)
    if (!found) return
    setToken(found)
    void navigate(pathname, { replace: true })
  }, [hash, navigate, pathname])
  return token
}

const find = (hash: string) => new URLSearchParams(hash.slice(1)).get('token')
