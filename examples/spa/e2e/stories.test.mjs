import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { answered, heading, listen, password, program, signedIn, signIn, Site, startBrowser, until } from './site.mjs'

let browser, latchkey
before(async () => {
  latchkey = program()
  browser = await startBrowser()
})
after(() => browser.close())

/** Runs a story on a new site. */
const story = (name, settings, tell) =>
  it(name, async () => {
    const site = await Site.open(browser, latchkey, settings)
    let failure
    try {
      await tell(site)
    } catch (error) {
      failure = error
    }
    try {
      await site.close()
    } catch (error) {
      failure ??= error
    }
    if (failure) throw failure
  })

/** Makes the access token of a page expire. The server issues valid tokens again afterwards. */
const expire = async (site, page) => {
  await site.stop()
  await site.start({ LATCHKEY_ACCESS_TOKEN_TTL: '1s' })
  const refreshed = page.waitForResponse((response) => response.request().postData()?.includes('mutation Refresh'))
  await page.evaluate((name) => new BroadcastChannel(name).postMessage('signed-in'), `latchkey ${site.endpoint}`)
  const { data } = await (await refreshed).json()
  await until('the access token has expired', async () => {
    const { errors } = await site.ask('{ me { id } }', { access: data.refreshToken.tokens.accessToken })
    return errors?.[0].extensions.reason === 'EXPIRED'
  })
  await site.stop()
  await site.start()
}

/** The console message of browsers for a response with an error such as UNAUTHENTICATED. */
const badRequest = /the server responded with a status of 400/
const noConnection = /net::ERR_/

describe('Commons', { concurrency: 3 }, () => {
  story('from sign-up to sign-out', {}, async (site) => {
    const page = await site.tab(await site.person())
    await heading(page, 'Sign in')
    assert.equal(await page.title(), 'Sign in · Commons')
    await page.getByRole('main').getByRole('link', { name: 'Create an account' }).click()
    await heading(page, 'Create account')
    await page.getByText(/^8–\d+ characters/).waitFor()

    // All user errors are shown at once, each next to its field. The first field has the focus.
    await page.getByLabel('Username').fill('no spaces please')
    await page.getByLabel('Email address').fill('nonsense')
    await page.getByLabel('Password', { exact: true }).fill('short')
    await page.getByRole('button', { name: 'Create account' }).click()
    for (const label of ['Username', 'Email address', 'Password']) {
      const field = page.getByRole('textbox', { name: label }).and(page.locator('[aria-invalid=true]'))
      await field.waitFor()
      const about = (await field.getAttribute('aria-describedby')).split(' ').at(-1)
      assert.notEqual(await page.locator(`[id="${about}"]`).textContent(), '', `${label} has an error`)
    }
    await page.waitForFunction(() => document.activeElement.name === 'username')

    await page.getByLabel('Username').fill('mario')
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByLabel('Password', { exact: true }).fill('mario@example')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page
      .getByText('too similar', { exact: false })
      .or(page.locator('[name=password][aria-invalid=true]'))
      .first()
      .waitFor()
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await heading(page, 'My profile')

    await page.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('About you').fill('A plumber.\nI fix pipes.')
    await page.getByLabel('Location').fill('a location that is too long to be accepted')
    await page.getByLabel('I organize').check()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('[name=location][aria-invalid=true]').waitFor()
    await page.getByLabel('Location').fill('Rome')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Your profile has been saved.').waitFor()
    await page.getByRole('article').getByText('Organizer').waitFor()
    await page.getByRole('article').getByText('I fix pipes.').waitFor()

    await page.getByRole('button', { name: 'Sign out' }).click()
    await heading(page, 'Sign in')
    await page.reload()
    await heading(page, 'Sign in')
    await signIn(page, 'MARIO')
  })

  story('a reload keeps the session, and scripts cannot read the cookie', {}, async (site) => {
    await site.register('mario')
    const context = await site.person()
    const page = await site.tab(context, '/account')
    await signIn(page, 'mario')
    await heading(page, 'Account')
    await page.reload()
    await signedIn(page)
    await heading(page, 'Account')
    const [cookie] = await context.cookies(site.endpoint)
    assert.equal(cookie.httpOnly, true)
    assert.deepEqual(await page.evaluate(() => [document.cookie, { ...localStorage }, { ...sessionStorage }]), [
      '',
      {},
      {},
    ])
  })

  story('five operations with an expired token cause one refresh', {}, async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    for (let i = 0; i < 5; i++) {
      await site.ask(
        `mutation {
          obtainToken(input: {identifier: "mario", password: "${password}", deviceName: "Phone ${i}"}) {
            userErrors { code }
          }
        }`,
      )
    }
    const page = await site.tab(await site.person(), '/sessions')
    const { count } = listen(page, site.endpoint)
    await signIn(page, 'mario')
    const buttons = page.getByRole('button', { name: /^Sign out Phone/ })
    await until('five phones are listed', async () => (await buttons.count()) === 5)
    await expire(site, page)
    const before = count('Refresh')
    await buttons.evaluateAll((all) => all.forEach((button) => button.click()))
    await until('no phone is listed', async () => (await buttons.count()) === 0)
    assert.equal(count('Refresh') - before, 1, 'refreshes')
    assert.equal(count('RevokeSession'), 10, 'each was sent twice')
  })

  story('two tabs that refresh at the same time stay signed in', { LATCHKEY_REFRESH_GRACE: '0s' }, async (site) => {
    await site.register('mario')
    const context = await site.person()
    const first = await site.tab(context, '/account')
    await signIn(first, 'mario')
    const second = await site.tab(context, '/account')
    await signedIn(second)

    // The first refresh is held back until the other tab waits for it.
    let refreshes = 0
    await context.route(site.endpoint, async (route) => {
      if (route.request().postData()?.includes('mutation Refresh') && ++refreshes === 1) {
        const page = route.request().frame().page()
        await until('the other tab wants to refresh', () =>
          page.evaluate(async () => (await navigator.locks.query()).pending.length > 0),
        )
      }
      await route.continue()
    })
    await Promise.all([first.reload(), second.reload()])
    for (const page of [first, second]) await heading(page, 'Account')
    assert.equal(refreshes, 2)
    await first.reload()
    await heading(first, 'Account')
  })

  story('signing out and in applies to all tabs', {}, async (site) => {
    await site.register('mario')
    await site.register('luigi')
    const context = await site.person()
    const first = await site.tab(context, '/people')
    await signIn(first, 'mario')
    const second = await site.tab(context, '/profile')
    await heading(second, 'My profile')
    await first.getByRole('button', { name: 'Sign out' }).click()
    await heading(second, 'Sign in')
    assert.equal(await second.getByText('Your session has ended').count(), 0, 'no warning')
    await heading(first, 'Sign in')
    await signIn(first, 'luigi')
    await heading(second, 'My profile')
    await second.getByRole('article').getByText('luigi').waitFor()
    assert.equal(await second.getByText('mario').count(), 0)
  })

  const keptFromOtherUsers = (what, sent) => async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    await site.register('luigi', { name: 'Luigi' })
    const context = await site.person()
    const page = await site.tab(context, '/account')
    const traffic = listen(page, site.endpoint)
    await signIn(page, 'mario')
    await page.getByRole('button', { name: `Change ${what}` }).click()
    await page.getByLabel(what === 'name' ? 'Name' : 'New password', { exact: true }).fill('i-jump-higher-now')
    if (what === 'password') await page.getByLabel('Current password', { exact: true }).fill(password)

    // The token expires. Then luigi signs in, and this tab is not notified.
    await expire(site, page)
    const { headers } = await fetch(site.endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: site.url },
      body: JSON.stringify({
        query: `mutation {
          obtainToken(input: {identifier: "luigi", password: "${password}", delivery: COOKIE}) { userErrors { code } }
        }`,
      }),
    })
    const value = headers.get('set-cookie').match(/latchkey=([^;]+)/)[1]
    const [cookie] = await context.cookies(site.endpoint)
    await context.addCookies([{ ...cookie, value }])

    await page.getByRole('button', { name: `Save ${what}` }).click()
    await page.getByText('luigi', { exact: true }).first().waitFor()
    assert.equal(traffic.count('ChangeName') + traffic.count('ChangePassword'), sent)
    const { data } = await site.ask('{ me { username name } }', { access: traffic.access })
    assert.deepEqual(data.me, { username: 'luigi', name: 'Luigi' })
  }
  story('a name that one user entered is not saved for another one', {}, keptFromOtherUsers('name', 1))
  story('a password that one user entered is not saved for another one', {}, keptFromOtherUsers('password', 0))

  story('a password change ends the session in the other browser', {}, async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    const here = await site.tab(await site.person(), '/account')
    const there = await site.tab(await site.person(), '/account')
    await signIn(here, 'mario')
    await signIn(there, 'mario')
    const secondTab = await site.tab(here.context(), '/people')
    await signedIn(secondTab)
    await here.getByRole('button', { name: 'Change password' }).click()
    await here.getByLabel('Current password', { exact: true }).fill('wrong-altogether')
    await here.getByLabel('New password', { exact: true }).fill('i-jump-higher-now')
    await here.getByRole('button', { name: 'Save password' }).click()
    await here.locator('[name=currentPassword][aria-invalid=true]').waitFor()
    await here.getByLabel('Current password', { exact: true }).fill(password)
    await here.getByRole('button', { name: 'Save password' }).click()
    await here.getByText('Your password has been changed').waitFor()
    await here.getByRole('link', { name: 'Devices' }).click()
    await here.getByText('You are not signed in on any other device.').waitFor()
    await secondTab.getByRole('link', { name: 'Devices' }).click()
    await secondTab.getByText('You are not signed in on any other device.').waitFor()

    await there.getByRole('link', { name: 'Devices' }).click()
    await there.getByText('Your session has ended').waitFor()
    await signIn(there, 'mario', 'i-jump-higher-now')
    await heading(there, 'Devices')
  })

  story('a reused refresh token ends the session', { LATCHKEY_REFRESH_GRACE: '0s' }, async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    const context = await site.person()
    const page = await site.tab(context, '/people')
    const begun = answered(page, 'People', 'PeopleCount', 'Viewer')
    await signIn(page, 'mario')
    await begun
    const [{ value: stolen }] = await context.cookies(site.endpoint)
    const drawn = answered(page, 'People', 'PeopleCount', 'Viewer')
    await page.reload()
    await drawn
    const { data } = await site.ask(
      'mutation { refreshToken(input: {}) { tokens { accessToken } userErrors { code } } }',
      { cookie: stolen },
    )
    assert.equal(data.refreshToken.userErrors[0].code, 'TOKEN_INVALID')
    await page.getByRole('link', { name: 'Devices' }).click()
    await page.getByText('Your session has ended').waitFor()
  })

  story('offline and back online', {}, async (site) => {
    site.allow(noConnection)
    const { profile } = await site.register('luigi', { profile: { description: 'Afraid of ghosts' } })
    await site.register('mario')
    const context = await site.person()
    const page = await site.tab(context, '/account')
    await signIn(page, 'mario')
    await heading(page, 'Account')

    await context.setOffline(true)
    await page.getByText('You are offline.').waitFor()
    await page.getByRole('link', { name: 'People' }).click()
    await page.getByText('The server cannot be reached.').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are still signed in.').waitFor()
    await context.setOffline(false)
    await page.getByRole('link', { name: 'luigi' }).waitFor()
    await page.getByText('You are offline.').waitFor({ state: 'detached' })
    assert.equal(await page.getByText('The server cannot be reached.').count(), 0)

    await site.stop()
    await page.goto(`${site.url}/people/${profile}`)
    await heading(page, 'No connection')
    await site.start()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('Afraid of ghosts').waitFor()
  })

  story('only owners can edit a profile', {}, async (site) => {
    site.allow(badRequest)
    const { profile } = await site.register('luigi', { profile: { description: 'Afraid of ghosts' } })
    await site.register('mario')
    const page = await site.tab(await site.person(), `/people/${profile}`)
    const traffic = listen(page, site.endpoint)
    await signIn(page, 'mario')
    await page.getByText('Afraid of ghosts').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Edit' }).count(), 0)

    await page.getByRole('link', { name: 'My profile' }).click()
    await page.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('About you').fill('I was here')
    await page.route(site.endpoint, (route) => {
      const body = route.request().postDataJSON()
      if (body.operationName === 'UpdateProfile') body.variables.id = profile
      return route.continue({ postData: JSON.stringify(body) })
    })
    const refreshes = traffic.count('Refresh')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('You are not allowed to do that.').waitFor()
    assert.equal(traffic.count('UpdateProfile'), 1, 'it is not sent again after FORBIDDEN')
    assert.equal(traffic.count('Refresh'), refreshes)
    const answer = await site.ask(`{ profile(id: "${profile}") { description } }`, { access: traffic.access })
    assert.equal(answer.data.profile.description, 'Afraid of ghosts')
  })

  story('people: search, filter, order and infinite scrolling', {}, async (site) => {
    for (let i = 10; i < 55; i++) {
      await site.register(`player${i}`, {
        profile: { location: i % 2 ? 'Rome' : 'Oslo', isOrganizer: i < 15, description: `Number ${i}` },
      })
    }
    const page = await site.tab(await site.person(), '/people?order=name')
    const traffic = listen(page, site.endpoint)
    await signIn(page, 'player10')
    const names = () => page.getByRole('listitem').getByRole('link').allTextContents()
    await page.getByText('45 people').waitFor()
    await until('there is a first page', async () => (await names()).length >= 20)
    await until('scrolling shows everyone', async () => {
      await page.mouse.wheel(0, 2000)
      return (await names()).length === 45
    })
    const all = await names()
    assert.deepEqual(
      all,
      Array.from({ length: 45 }, (_, i) => `player${i + 10}`),
    )
    await page.getByRole('link', { name: 'player54' }).click()
    await heading(page, 'player54')
    const pages = traffic.count('People')
    await page.goBack()
    await until('the list is as long as before', async () => (await names()).length === 45)
    await page.waitForFunction(() => scrollY > 0)
    assert.equal(traffic.count('People'), pages, 'nothing is fetched again')

    await page.getByLabel('Sort by').selectOption('name-down')
    await until('the order is reversed', async () => (await names())[0] === 'player54')
    await page.getByLabel('Location').pressSequentially('rome')
    await page.getByLabel('Role').selectOption('organizer')
    await page.getByText('2 people').waitFor()
    assert.equal(await page.getByLabel('Location').inputValue(), 'rome')
    await until('two are listed', async () => (await names()).join() === 'player13,player11')
    await page.getByRole('link', { name: 'player11' }).click()
    await heading(page, 'player11')
    await page.goBack()
    await until('the filter is still there', async () => (await names()).join() === 'player13,player11')
    await page.getByLabel('Search').pressSequentially('no such person')
    await page.getByText('No matches.').waitFor()
    await page.getByRole('link', { name: 'People', exact: true }).click()
    await page.getByText('45 people').waitFor()
    assert.equal(await page.getByLabel('Search').inputValue(), '')
  })

  story('activation', { LATCHKEY_EMAIL_VERIFICATION: 'required' }, async (site) => {
    const context = await site.person()
    const page = await site.tab(context, '/sign-up')
    await page.getByLabel('Username').fill('mario')
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await heading(page, 'Check your email')

    const other = await site.tab(context, '/sign-in')
    await other.getByLabel('Username or email').fill('mario')
    await other.getByLabel('Password', { exact: true }).fill(password)
    await other.getByRole('button', { name: 'Sign in' }).click()
    await other.getByRole('link', { name: 'Resend the confirmation email' }).click()
    await other.getByLabel('Email address').fill('mario@example.com')
    await other.getByRole('button', { name: 'Resend email' }).click()
    await other.getByText('we have sent an email').waitFor()

    await page.goto(await site.link('mario@example.com', 'activate'))
    await page.getByRole('button', { name: 'Confirm email address' }).click()
    await page.getByText('Your email address is confirmed.').waitFor()
    await signIn(page, 'mario@example.com')
    await heading(page, 'People')
  })

  story('a forgotten password, and a forgotten username', {}, async (site) => {
    await site.register('mario', { email: 'mario@example.com' })
    const page = await site.tab(await site.person(), '/forgot')
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByRole('button', { name: 'Send email' }).click()
    await heading(page, 'Check your email')
    const link = await site.link('mario@example.com', 'reset-password')
    await page.goto(link)
    await page.waitForURL(`${site.url}/reset-password`) // without the token
    await page.getByLabel('New password', { exact: true }).fill('12345678')
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.locator('[name=newPassword][aria-invalid=true]').waitFor()
    await page.getByLabel('New password', { exact: true }).fill('i-jump-higher-now')
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.getByText('Your password has been changed.').waitFor()
    await signIn(page, 'mario', 'i-jump-higher-now')

    await page.goto(link)
    await page.getByLabel('New password', { exact: true }).fill('i-jump-even-higher')
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.getByRole('alert').getByText(/\w/).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('link', { name: 'Sign in', exact: true }).waitFor()
    await page.getByRole('link', { name: 'Request a new one' }).click()
    await page.getByLabel('My username').check()
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByRole('button', { name: 'Send email' }).click()
    await heading(page, 'Check your email')
    await site.email('mario@example.com', /username/i, /\bmario\b/)
  })

  story('email change: cancelled, and confirmed', {}, async (site) => {
    await site.register('mario', { email: 'mario@example.com' })
    const page = await site.tab(await site.person(), '/account')
    const change = async (address) => {
      await page.getByRole('button', { name: 'Change address' }).click()
      await page.getByLabel('New email address').fill(address)
      await page.getByLabel('Current password', { exact: true }).fill(password)
      await page.getByRole('button', { name: 'Send confirmation email' }).click()
      await page.getByText(`Pending: ${address}`).waitFor()
    }
    await signIn(page, 'mario')
    await change('thief@example.com')
    await page.goto(await site.link('mario@example.com', 'cancel-email-change'))
    await page.getByRole('button', { name: 'Cancel the change' }).click()
    await page.getByText('The change has been cancelled.').waitFor()
    await page.getByRole('link', { name: 'Back to sign in' }).click()
    await signIn(page, 'mario@example.com')

    await page.getByRole('link', { name: 'Account' }).click()
    await change('plumber@example.com')
    await page.goto(await site.link('plumber@example.com', 'confirm-email'))
    await page.getByRole('button', { name: 'Confirm email address' }).click()
    await page.getByText('Your new email address is confirmed.').waitFor()
    assert.equal(await page.getByText('Your session has ended').count(), 0, 'no warning next to the notice')
    await signIn(page, 'plumber@example.com')
  })

  story('account: name, username, profile and deletion', {}, async (site) => {
    await site.register('mario')
    const page = await site.tab(await site.person(), '/account')
    await signIn(page, 'mario')
    await page.getByRole('button', { name: 'Change name' }).click()
    await page.waitForFunction(() => document.activeElement.name === 'name')
    await page.keyboard.type('Mario Rossi')
    await page.keyboard.press('Enter')
    await page.getByText('Your name has been saved.').waitFor()
    await page.getByText('Mario Rossi').waitFor()
    await page.getByRole('button', { name: 'Change username' }).click()
    await page.getByLabel('New username').fill('super-mario')
    await page.getByLabel('Current password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Save username' }).click()
    await page.getByRole('banner').getByText('super-mario').waitFor()

    await page.getByRole('link', { name: 'My profile' }).click()
    await page.getByRole('button', { name: 'Delete profile' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete profile' }).click()
    await page.getByText('Your profile has been deleted.').waitFor()
    await page.getByLabel('Location').fill('Rome')
    await page.getByRole('button', { name: 'Create profile' }).click()
    await page.getByRole('article').getByText('Rome').waitFor()

    await page.getByRole('link', { name: 'Account' }).click()
    await page.getByRole('button', { name: 'Delete account' }).click()
    await page.getByLabel('Current password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Delete permanently' }).click()
    await page.getByText('Your account has been deleted.').waitFor()
    await page.goto(`${site.url}/people`)
    await heading(page, 'Sign in')
  })

  story('devices: sign out all others', {}, async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    const here = await site.tab(await site.person(), '/sessions')
    const there = await site.tab(await site.person(), '/people')
    await signIn(there, 'mario')
    await signIn(here, 'mario')
    await here.getByText('This device').waitFor()
    await here.getByRole('button', { name: 'Sign out all other devices' }).click()
    await here.getByRole('dialog').getByRole('button', { name: 'Sign out all other devices' }).click()
    await here.getByText('other devices have been signed out.').waitFor() // registering directly created one, too
    await here.getByText('You are not signed in on any other device.').waitFor()
    await there.getByLabel('Search').fill('luigi')
    await there.getByText('Your session has ended').waitFor()
  })

  story('too many sign-in attempts', {}, async (site) => {
    site.allow(badRequest)
    await site.register('mario')
    const page = await site.tab(await site.person(), '/sign-in')
    const traffic = listen(page, site.endpoint)
    await page.getByLabel('Username or email').fill('mario')
    await until('the server says how long to wait', async () => {
      const before = traffic.count('SignIn')
      await page.getByLabel('Password', { exact: true }).fill(`wrong-altogether-${before}`)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Sign in', disabled: false }).waitFor()
      return page.getByText(/Try again in \d+ (second|minute)/).count()
    })
  })

  story('registration is closed', { LATCHKEY_REGISTRATION: 'closed' }, async (site) => {
    const page = await site.tab(await site.person(), '/sign-up')
    await page.getByText('Registration is closed.').waitFor()
  })
})
