import tseslint from 'typescript-eslint';

const forbiddenSyntax = [
  {
    selector: 'ExportDefaultDeclaration',
    message: 'Export by name: the name is how a reader finds the thing again.',
  },
  {
    selector: 'ExportSpecifier[exported.name="default"]',
    message: 'Export by name: the name is how a reader finds the thing again.',
  },
  {
    selector:
      'CallExpression[callee.object.name="jest"][callee.property.name=/^(mock|doMock|unstable_mockModule|setMock)$/]',
    message: 'Module mocks do nothing in native ESM: pass a fake through the constructor.',
  },
  {
    selector: 'Property[key.name="validator"] > :function[async=true]',
    message:
      'An Update validator runs synchronously and its promise is dropped: an async one never refuses.',
  },
  {
    selector: 'TSEnumDeclaration',
    message: 'Use a union of string literals (or a const object): only erasable syntax here.',
  },
  {
    selector: 'TSModuleDeclaration[kind="namespace"]',
    message: 'Use a module: only erasable syntax here.',
  },
  {
    selector: 'TSParameterProperty',
    message: 'Declare the field and assign it: only erasable syntax here.',
  },
];

export default tseslint.config(
  {
    ignores: [
      '**/node_modules/',
      '**/dist/',
      '**/generated/',
      '**/fixtures/',
      '**/coverage/',
      '.nx/',
      '.sluice/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.mjs'],
    languageOptions: { parser: tseslint.parser },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      'no-restricted-syntax': ['error', ...forbiddenSyntax],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-debugger': 'error',
      'no-eval': 'error',
      'no-self-compare': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      'no-template-curly-in-string': 'error',
      'no-promise-executor-return': 'off',
      'no-unsafe-optional-chaining': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { checkThenables: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-misused-promises': [
        'error',
        {
          checksConditionals: true,
          // An Update validator is a property that returns nothing: a promise there refuses nobody.
          checksVoidReturn: {
            properties: true,
            arguments: false,
            attributes: false,
            inheritedMethods: false,
            returns: false,
            variables: false,
          },
        },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // Tools load these files by their default export.
    files: ['*.config.mjs', 'test/support/global-*.mjs'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
