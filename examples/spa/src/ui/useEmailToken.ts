import { useEffect, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'

/**
 * Returns the token from the link in an email, or null. It is in the URL fragment, which browsers never send to a
 * server. It is removed from the URL, which stays in the history.
 */
export function useEmailToken(): string | null {
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
