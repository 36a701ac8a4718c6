import { adopt, caller, complaints, explore, onCaller, signIn, signOut, whoAmI } from '/explorer/session.js'

const element = (id) => document.getElementById(id)
const forms = { 'by-password': element('by-password'), 'by-token': element('by-token') }
let form = forms['by-password']

// tell shows a notice under the bar; it stays until the next, or until it is dismissed.
const tell = (text, wrong = false) => {
  element('notice').textContent = text
  element('notice').classList.toggle('wrong', wrong)
}

element('dismiss').addEventListener('click', () => tell(''))

// attempt does what a button or a form asks for, once at a time, and tells what came of it.
const attempt = async (button, work) => {
  if (button.disabled) return
  button.disabled = true
  try {
    tell(await work() ?? '')
  } catch (refusal) {
    tell(refusal.message, true)
  } finally {
    button.disabled = false
  }
}

// showCaller shows who is signed in, or the form to sign in by.
const showCaller = (somebody) => {
  element('signed-in').hidden = !somebody
  for (const each of Object.values(forms)) each.hidden = Boolean(somebody) || each !== form
  if (!somebody) return
  const { user, until, renews } = somebody
  element('name').textContent = user.username
  const time = until.toLocaleTimeString()
  element('until').textContent = `${user.role} · access token until ${time}${renews ? ', then refreshed' : ''}`
}

onCaller(showCaller)

for (const button of document.querySelectorAll('[data-other]')) {
  button.addEventListener('click', () => {
    form = forms[button.dataset.other]
    showCaller(null)
    form.querySelector('input').focus()
  })
}

for (const [name, proof] of [['by-password', signIn], ['by-token', adopt]]) {
  forms[name].addEventListener('submit', (event) => {
    event.preventDefault()
    attempt(forms[name].querySelector('.primary'), async () => {
      await proof(...Array.from(forms[name].querySelectorAll('input'), ({ value }) => value))
      forms[name].reset()
      form = forms['by-password']
      element('who-am-i').focus()
    })
  })
}

element('who-am-i').addEventListener('click', ({ currentTarget }) => attempt(currentTarget, async () => {
  const { id, username, email, role, status } = await whoAmI()
  return `${username}, ${email ?? 'without an e-mail address'}, ${role}, ${status}, ${id}`
}))

element('sign-out').addEventListener('click', ({ currentTarget }) => attempt(currentTarget, async () => {
  await signOut()
  form.querySelector('input').focus()
  return 'Signed out: the tokens of the session work no more.'
}))

// forgetful is a storage for GraphiQL that ends with the page, so that nothing typed into it is kept.
const forgetful = () => {
  const kept = new Map()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => { kept.set(key, String(value)) },
    removeItem: (key) => { kept.delete(key) },
    clear: () => kept.clear(),
    get length() { return kept.size },
  }
}

// report tells in the footer how the latest operation went.
const report = (text, wrong) => {
  element('latest').textContent = text
  element('latest').classList.toggle('wrong', wrong)
}

const fetcher = async (operation, { headers, documentAST } = {}) => {
  const asked = operation.operationName !== 'IntrospectionQuery'
  try {
    const { answer, status, milliseconds, requestID } = await explore(operation, headers, documentAST)
    const wrong = complaints(answer)
    const circumstances = `HTTP ${status} in ${Math.round(milliseconds)} ms · request ${requestID}`
    if (asked) report(`${wrong.join(' ') || 'OK'} · ${circumstances}`, wrong.length > 0)
    return answer
  } catch (refusal) {
    if (asked) report(refusal.message, true)
    return { errors: [{ message: refusal.message }] }
  }
}

// personal puts the caller's ids in the place of those that are all zeros.
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

  // The icon is in the button that opens the examples: where there is room, they are open from the start. Being there
  // all the time, it also sees to it that the Tab key leaves the editors.
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

  // An example takes the place of another that nobody changed; what somebody wrote stays in its tab.
  const Examples = () => {
    const { addTab, queryEditor, variableEditor, responseEditor, setOperationName } = useEditorContext()
    const pick = ({ query, variables }) => {
      const present = queryEditor.getValue()
      if (present.trim() && !operations.some((other) => other.query === present)) addTab()
      queryEditor.setValue(query)
      setOperationName(query.match(/\w+ (\w+)/)[1]) // the editor would notice a moment later
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

  globalThis.__webpack_nonce__ = element('graphiql').nonce // for the style that a dialog adds to the page
  ReactDOM.createRoot(element('graphiql')).render(h(GraphiQL, {
    fetcher,
    storage: forgetful(),
    shouldPersistHeaders: false,
    defaultQuery: '',
    defaultTabs: [{ query: operations[0].query, variables: operations[0].variables }],
    defaultEditorToolsVisibility: 'variables',
    plugins: [examples],
  }, h(GraphiQL.Logo, null, ' '))) // whose place the bar takes
}

if (globalThis.GraphiQL) {
  start(globalThis)
} else {
  const waiting = document.querySelector('.waiting')
  waiting.textContent = 'GraphiQL could not be loaded. To do without the internet, see the README.'
}
