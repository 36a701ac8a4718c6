import graphql from '@graphql-eslint/eslint-plugin'

// The plugin's recommended rules, with these exceptions.
export default [{
  files: ['schema.graphql'],
  plugins: { '@graphql-eslint': graphql },
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: 'schema.graphql' } } },
  rules: {
    ...graphql.configs['flat/schema-recommended'].rules,
    ...graphql.configs['flat/schema-relay'].rules,
    // Short descriptions are on one line, long ones in a block.
    '@graphql-eslint/description-style': 'off',
    // `User.username` is a word, not a prefix.
    '@graphql-eslint/no-typename-prefix': 'off',
    // `userErrors` and `sessions` are always short, and `nodes` is a shortcut past the edges.
    '@graphql-eslint/relay-edge-types': ['error', {
      withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false,
    }],
    // Payloads and the types inside them cannot be fetched by ID.
    '@graphql-eslint/strict-id-in-types': ['error', {
      acceptedIdNames: ['id'], acceptedIdTypes: ['ID'],
      exceptions: {
        suffixes: ['Connection', 'Edge', 'Payload'],
        types: ['PageInfo', 'PasswordPolicy', 'ServerInfo', 'TokenPair', 'UserError'],
      },
    }],
  },
}]
