import { adopt, caller, complaints, explore, onCaller, signIn, signOut, whoAmI } from './client.js'

const element = (id) => document.getElementById(id)
const forms = { 'by-password': element('by-password'), 'by-token': element('by-token') }
let form = forms['by-password']

// notify shows a notice under the bar, until the next one or until it is dismissed.
const notify = (text, wrong = false) => {
  element('notice').textContent = text
  element('notice').classList.toggle('wrong', wrong)
}

element('dismiss').addEventListener('click', () => notify(''))

// attempt runs the action of a button, one at a time, and shows the result.
const attempt = async (button, run) => {
  if (button.disabled) return
  button.disabled = true
  try {
    notify(await run() ?? '')
  } catch (error) {
    notify(error.message, true)
  } finally {
    button.disabled = false
  }
}

// showCaller shows the signed-in user, or else the sign-in form.
const showCaller = (current) => {
  element('signed-in').hidden = !current
  for (const each of Object.values(forms)) each.hidden = Boolean(current) || each !== form
  if (!current) return
  const { user, until, renewable } = current
  element('name').textContent = user.username
  const time = until.toLocaleTimeString()
  element('until').textContent = `${user.role} · access token valid until ${time}${renewable ? ', then refreshed' : ''}`
}

onCaller(showCaller)

for (const button of document.querySelectorAll('[data-other]')) {
  button.addEventListener('click', () => {
    form = forms[button.dataset.other]
    showCaller(null)
    form.querySelector('input').focus()
  })
}

for (const [name, begin] of [['by-password', signIn], ['by-token', adopt]]) {
  forms[name].addEventListener('submit', (event) => {
    event.preventDefault()
    attempt(forms[name].querySelector('.primary'), async () => {
      await begin(...Array.from(forms[name].querySelectorAll('input'), ({ value }) => value))
      forms[name].reset()
      form = forms['by-password']
      element('who-am-i').focus()
    })
  })
}

element('who-am-i').addEventListener('click', ({ currentTarget }) => attempt(currentTarget, async () => {
  const { id, username, email, role, status } = await whoAmI()
  return `${username}, ${email ?? 'no email address'}, ${role}, ${status}, ${id}`
}))

element('sign-out').addEventListener('click', ({ currentTarget }) => attempt(currentTarget, async () => {
  await signOut()
  form.querySelector('input').focus()
  return 'Signed out. The tokens of the session are no longer valid.'
}))

// inMemory returns a storage for GraphiQL that is lost with the page, so that nothing typed is stored.
const inMemory = () => {
  const items = new Map()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => { items.set(key, String(value)) },
    removeItem: (key) => { items.delete(key) },
    clear: () => items.clear(),
    get length() { return items.size },
  }
}

// report shows the result of the latest operation in the footer.
const report = (text, wrong) => {
  element('latest').textContent = text
  element('latest').classList.toggle('wrong', wrong)
}

const fetcher = async (operation, { headers, documentAST } = {}) => {
  const shown = operation.operationName !== 'IntrospectionQuery'
  try {
    const { answer, status, milliseconds, requestID } = await explore(operation, headers, documentAST)
    const wrong = complaints(answer)
    const details = `HTTP ${status} in ${Math.round(milliseconds)} ms · request ${requestID}`
    if (shown) report(`${wrong.join(' ') || 'OK'} · ${details}`, wrong.length > 0)
    return answer
  } catch (error) {
    if (shown) report(error.message, true)
    return { errors: [{ message: error.message }] }
  }
}

// personal replaces IDs of zeros with those of the signed-in user.
const personal = (variables) => {
  const user = caller()?.user
  const ids = {
    user: user?.id,
    profile: user?.profile?.id,
    session: user?.sessions.find(({ isCurrent }) => isCurrent)?.id,
  }
  return variables.replace(/(user|profile|session)_0{8}-[-078]+/, (zeros, kind) => ids[kind] ?? zeros)
}

const start = async ({ React, ReactDOM, GraphiQL }) => {
  const { createElement: h, useEffect, useRef } = React
  const { useEditorContext } = GraphiQL.React
  const operations = await (await fetch('/explorer/operations.json')).json()
  const narrow = matchMedia('(max-width: 50rem)')

  // The icon is in the button that opens the examples. On a wide screen it opens them at the start. Since it is always
  // mounted, it also makes the Tab key leave the editors.
  const Icon = () => {
    const icon = useRef(null)
    const { queryEditor, variableEditor, headerEditor } = useEditorContext()
    useEffect(() => { if (!narrow.matches) icon.current.closest('button').click() }, [])
    useEffect(() => {
      for (const editor of [queryEditor, variableEditor, headerEditor]) {
        editor?.addKeyMap({ Tab: false, 'Shift-Tab': false })
      }
    }, [queryEditor, variableEditor, headerEditor])
    return h('svg', { ref: icon, viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', strokeWidth: 1.5 },
      h('path', { d: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01', strokeLinecap: 'round' }))
  }

  // An example replaces an unchanged example. What the user wrote stays in its own tab.
  const Examples = () => {
    const { addTab, queryEditor, variableEditor, responseEditor, setOperationName } = useEditorContext()
    const pick = ({ query, variables }) => {
      const present = queryEditor.getValue()
      if (present.trim() && !operations.some((other) => other.query === present)) addTab()
      queryEditor.setValue(query)
      setOperationName(query.match(/\w+ (\w+)/)[1]) // the editor would set it later
      variableEditor.setValue(personal(variables))
      responseEditor.setValue('')
      if (narrow.matches) document.querySelector('[aria-label="Hide Examples"]').click()
      queryEditor.focus()
    }
    const groups = Map.groupBy(operations, ({ group }) => group)
    return h('section', { className: 'examples', 'aria-label': 'Examples' }, h('h2', null, 'Examples'),
      Array.from(groups, ([group, list]) => h('section', { key: group, 'aria-label': group }, h('h3', null, group),
        h('ul', null, list.map((operation) => h('li', { key: operation.title },
          h('button', { type: 'button', onClick: () => pick(operation) },
            h('strong', null, operation.title), h('span', null, operation.note))))))))
  }
  const examples = { title: 'Examples', icon: Icon, content: Examples }

  globalThis.__webpack_nonce__ = element('graphiql').nonce // for the style element that a dialog adds
  ReactDOM.createRoot(element('graphiql')).render(h(GraphiQL, {
    fetcher,
    storage: inMemory(),
    shouldPersistHeaders: false,
    defaultQuery: '',
    defaultTabs: [{ query: operations[0].query, variables: operations[0].variables }],
    defaultEditorToolsVisibility: 'variables',
    plugins: [examples],
  }, h(GraphiQL.Logo, null, ' '))) // the bar shows the name
}

if (globalThis.GraphiQL) {
  start(globalThis)
} else {
  const command = document.createElement('code')
  command.textContent = 'npm ci --prefix graph/explorer && go run -tags explorer .'
  document.querySelector('.waiting').replaceChildren('GraphiQL could not be loaded from the CDN. To run offline: ', command)
}
