import graphql from '@graphql-eslint/eslint-plugin'

// The schema is held to what the plugin recommends, but for what stands below.
export default [{
  files: ['schema.graphql'],
  plugins: { '@graphql-eslint': graphql },
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: 'schema.graphql' } } },
  rules: {
    ...graphql.configs['flat/schema-recommended'].rules,
    ...graphql.configs['flat/schema-relay'].rules,
    // Short descriptions stand on one line, long ones in a block.
    '@graphql-eslint/description-style': 'off',
    // `User.username` is a word of its own.
    '@graphql-eslint/no-typename-prefix': 'off',
    // `userErrors` and `sessions` are lists that are never long, and `nodes` spares clients the edges.
    '@graphql-eslint/relay-edge-types': ['error', {
      withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false,
    }],
    // Answers and what stands in them are no things to fetch again.
    '@graphql-eslint/strict-id-in-types': ['error', {
      acceptedIdNames: ['id'], acceptedIdTypes: ['ID'],
      exceptions: {
        suffixes: ['Connection', 'Edge', 'Payload'],
        types: ['PageInfo', 'PasswordPolicy', 'ServerInfo', 'TokenPair', 'UserError'],
      },
    }],
  },
}]
