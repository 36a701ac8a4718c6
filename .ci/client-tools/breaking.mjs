import {
  astFromValue, buildSchema, findBreakingChanges, findDangerousChanges, isEnumType, isInputObjectType,
  isInterfaceType, isObjectType, print,
} from 'graphql'

// breaking returns the changes that docs/schema-evolution.md calls breaking, one sentence each.
const breaking = (released, current) => {
  const changes = findBreakingChanges(released, current)
  changes.push(...findDangerousChanges(released, current).filter(({ type }) => type === 'ARG_DEFAULT_VALUE_CHANGE'))
  const sentences = changes.map(({ description }) => description)
  const compare = (what, before, after) => {
    if (before !== after) sentences.push(`${what} changed from ${before} to ${after}.`)
  }
  for (const root of ['Query', 'Mutation']) {
    const fields = current.getType(root)?.getFields() ?? {}
    for (const field of Object.values(released.getType(root)?.getFields() ?? {})) {
      const after = fields[field.name]
      if (after) compare(`The access mark of ${root}.${field.name}`, access(field), access(after))
    }
  }
  for (const type of Object.values(released.getTypeMap()).filter(isInputObjectType)) {
    const fields = current.getType(type.name)?.getFields?.() ?? {}
    for (const field of Object.values(type.getFields())) {
      const after = fields[field.name]
      if (after) compare(`The default of ${type.name}.${field.name}`, initial(field), initial(after))
    }
  }
  return sentences
}

const marks = ['public', 'auth', 'owner']
const access = ({ astNode }) => astNode.directives.filter(({ name }) => marks.includes(name.value)).map(print).join(' ')
const initial = ({ defaultValue, type }) =>
  defaultValue === undefined ? 'nothing' : print(astFromValue(defaultValue, type))

// deprecatable returns the deprecation reason of everything that can be deprecated, by the sentence about its removal.
const deprecatable = (schema) => {
  const reasons = new Map()
  for (const type of Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'))) {
    if (isEnumType(type)) {
      for (const { name, deprecationReason } of type.getValues()) {
        reasons.set(`${name} was removed from enum type ${type.name}.`, deprecationReason)
      }
    }
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue
    for (const { name, args = [], deprecationReason } of Object.values(type.getFields())) {
      reasons.set(`${type.name}.${name} was removed.`, deprecationReason)
      for (const arg of args) reasons.set(`${type.name}.${name} arg ${arg.name} was removed.`, arg.deprecationReason)
    }
  }
  return reasons
}

// until returns the date at the end of a deprecation reason, as YYYY-MM-DD.
const until = (reason) => /\buntil (\d{4}-\d{2}-\d{2})\.?$/.exec(reason ?? '')?.[1]

// unannounced returns the reasons why the current schema cannot replace the released one. Breaking changes must be
// announced in the unreleased section of the changelog. today is YYYY-MM-DD.
export const unannounced = (released, current, changelog, today) => {
  const [before, after] = [buildSchema(released), buildSchema(current)]
  const [, unreleased = ''] = changelog.split(/^## /m)
  const wrong = []
  const removable = deprecatable(before)
  for (const sentence of breaking(before, after)) {
    const announcement = `- Breaking: ${sentence}`
    if (!unreleased.split('\n').includes(announcement)) wrong.push(`CHANGELOG.md lacks: ${announcement}`)
    if (!removable.has(sentence)) continue
    const date = until(removable.get(sentence))
    if (!date || date >= today) wrong.push(`Too early, it is deprecated until ${date ?? 'no date'}: ${sentence}`)
  }
  for (const [sentence, reason] of deprecatable(after)) {
    if (reason && !until(reason)) wrong.push(`Its deprecation does not end with "until YYYY-MM-DD": ${sentence}`)
  }
  return wrong
}
