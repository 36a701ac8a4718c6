import { answered, heading, password, signIn, until } from './site.mjs'

const people = [
  ['luigi', 'Rome', false, 'Afraid of ghosts, but comes along anyway.'],
  [
    'princess.peach',
    'Mushroom Kingdom',
    true,
    'I bake, I rule, I organize the yearly kart race. ' +
      'Write to me when you want to help: there is always something to carry, to paint or to eat.',
  ],
  ['toad', '', false, ''],
  ['yoshi', 'An island in the south sea', false, 'Eats everything.\nRuns fast.'],
  ['donkey-kong', 'The jungle', true, 'Bananas, barrels and a band.'],
  ['a.username.that.is.so.long.that.it.does.not.fit.into.any.line.of.a.narrow.screen', 'Nowhere', false, 'Short text.'],
]

/** Visits each page in each relevant state. `open` opens a site; `look` is called with the page and a name. */
export const visit = async (open, viewport, look) => {
  const site = await open({})
  site.allow(/status of 400/, /net::ERR_/)
  try {
    for (const [username, location, isOrganizer, description] of people) {
      await site.register(username, { profile: { location, isOrganizer, description } })
    }
    await site.register('mario', {
      email: 'mario@example.com',
      name: 'Mario Rossi',
      profile: {
        location: 'Rome',
        isOrganizer: true,
        description: 'A plumber from Brooklyn.\n\nI fix pipes, and on weekends I jump.',
      },
    })
    const context = await site.person({ viewport })
    const page = await site.tab(context)
    const go = async (path, title) => {
      await page.goto(site.url + path)
      await heading(page, title)
    }
    await heading(page, 'Sign in')
    await look(page, 'sign-in')
    await page.getByLabel('Username or email').fill('mario')
    await page.getByLabel('Password', { exact: true }).fill('wrong-altogether')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('.alert').or(page.locator('[aria-invalid=true]')).first().waitFor()
    await look(page, 'sign-in-refused')

    await go('/sign-up', 'Create account')
    await page.getByLabel('Username').waitFor()
    await look(page, 'sign-up')
    await page.getByLabel('Username').fill('no spaces please')
    await page.getByLabel('Email address').fill('nonsense')
    await page.getByLabel('Password', { exact: true }).fill('short')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.locator('[name=username][aria-invalid=true]').waitFor()
    await look(page, 'sign-up-errors')

    await go('/forgot', 'Recover your account')
    await look(page, 'forgot')
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByRole('button', { name: 'Send email' }).click()
    await heading(page, 'Check your email')
    await look(page, 'forgot-sent')

    await go('/reset-password#token=none', 'Choose a new password')
    await page.getByText(/^\d+–\d+ characters/).waitFor()
    await look(page, 'reset-password')
    await page.getByLabel('New password', { exact: true }).fill('i-jump-higher-now')
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.locator('.alert').waitFor()
    await look(page, 'reset-password-refused')
    await go('/activate#token=none', 'Confirm your email address')
    await look(page, 'activate')
    await go('/confirm-email#token=none', 'Confirm your new email address')
    await look(page, 'confirm-email')
    await go('/cancel-email-change#token=none', 'Keep your email address')
    await look(page, 'cancel-email-change')
    await go('/nowhere', 'Page not found')
    await look(page, 'not-found')

    await go('/people', 'Sign in')
    await signIn(page, 'mario')
    await page.getByText('7 people').waitFor()
    await page.getByRole('link', { name: 'luigi' }).waitFor()
    await look(page, 'people')
    await page.getByLabel('Search').fill('no such person')
    await page.getByText('No matches.').waitFor()
    await look(page, 'people-none')
    await page.getByLabel('Search').fill('princess')
    await page.getByRole('link', { name: 'princess.peach' }).click()
    await heading(page, 'princess.peach')
    await look(page, 'profile')
    await page.getByRole('link', { name: 'My profile' }).click()
    await heading(page, 'My profile')
    await look(page, 'my-profile')
    await page.getByRole('button', { name: 'Edit' }).click()
    await look(page, 'my-profile-edit')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Delete profile' }).click()
    await page.getByRole('dialog').waitFor()
    await look(page, 'dialog')
    await page.keyboard.press('Escape')

    await page.getByRole('link', { name: 'Account' }).click()
    await heading(page, 'Account')
    await look(page, 'account')
    await page.getByRole('button', { name: 'Change address' }).click()
    await page.getByLabel('New email address').fill('plumber@example.com')
    await page.getByLabel('Current password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Send confirmation email' }).click()
    await page.getByText('Pending: plumber@example.com').waitFor()
    await page.getByRole('button', { name: 'Change password' }).click()
    await look(page, 'account-forms')
    await page.getByRole('link', { name: 'Devices' }).click()
    await page.getByText('This device').waitFor()
    await look(page, 'devices')
    await context.setOffline(true)
    await page.getByText('You are offline.').waitFor()
    await look(page, 'offline')
    await context.setOffline(false)
    await page.getByText('You are offline.').waitFor({ state: 'detached' })

    const counted = answered(page, 'PeopleCount')
    await page.getByRole('link', { name: 'People' }).click()
    await counted
    const { data } = await site.ask(
      `mutation { obtainToken(input: {identifier: "mario", password: "${password}"}) { tokens { accessToken } } }`,
    )
    await site.ask('mutation { signOutEverywhere(input: {keepCurrent: false}) { revokedCount } }', {
      access: data.obtainToken.tokens.accessToken,
    })
    await page.getByLabel('Search').fill('luigi')
    await page.getByText('Your session has ended').waitFor()
    await look(page, 'sign-in-lost')

    await page.getByLabel('Username or email').fill('mario')
    await until('there were too many attempts', async () => {
      await page.getByLabel('Password', { exact: true }).fill('wrong-altogether')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Sign in', disabled: false }).waitFor()
      return page.getByText(/Try again in/).count()
    })
    await look(page, 'sign-in-slowed')
    await site.stop()
    await page.reload()
    await heading(page, 'No connection')
    await look(page, 'no-connection')
  } finally {
    await site.close()
  }

  const strict = await open({ LATCHKEY_EMAIL_VERIFICATION: 'required' })
  try {
    const page = await strict.tab(await strict.person({ viewport }), '/sign-up')
    await page.getByLabel('Username').fill('mario')
    await page.getByLabel('Email address').fill('mario@example.com')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await heading(page, 'Check your email')
    await look(page, 'sign-up-mailbox')
  } finally {
    await strict.close()
  }
}
