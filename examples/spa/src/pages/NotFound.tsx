import { Link } from 'react-router'

import { Page } from '../ui/Page'

export function NotFound() {
  return (
    <Page title="Not found" lead="There is no such page here.">
      <p>
        <Link to="/">Go to the start</Link>
      </p>
    </Page>
  )
}
