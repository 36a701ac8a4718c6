import { Link } from 'react-router'

import { Page } from '../ui/Page'

export function NotFound() {
  return (
    <Page title="Page not found" lead="This page does not exist.">
      <p>
        <Link to="/">Go to the home page</Link>
      </p>
    </Page>
  )
}
