import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'

import { App } from './App'
import { Session } from './session'
import './styles.css'

const endpoint = document.querySelector<HTMLMetaElement>('meta[name=latchkey]')!.content
const session = new Session(endpoint)
void session.restore()

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <BrowserRouter>
      <App endpoint={endpoint} session={session} />
    </BrowserRouter>
  </StrictMode>,
)
