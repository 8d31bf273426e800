import tseslint from 'typescript-eslint';

/**
 * Which folders a folder may import (docs/DESIGN.md, "Layout and dependency direction"). `cli` composes
 * and may import all; nothing may import `cli`. `mount` sees of `blockstore` only what both ends share.
 */
const forbidden = {
  protocol: ['blockstore', 'metadata', 'gateway', 'mount', 'cli', 'test', 'bench'],
  blockstore: ['metadata', 'gateway', 'mount', 'cli', 'test', 'bench'],
  metadata: ['blockstore', 'gateway', 'mount', 'cli', 'test', 'bench'],
  gateway: ['mount', 'cli', 'test', 'bench'],
  mount: ['metadata', 'gateway', 'cli', 'test', 'bench'],
  cli: ['test', 'bench'],
};

/** The parts of `blockstore` that the mount shares with the server: cutting and coding bytes, never storing them. */
const blockstoreSharedWithMount = ['chunker', 'chunk-file', 'codec', 'hash', 'profile'];

const direction = (folder, targets) => ({
  files: [`${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^(\\.\\./)+(${targets.join('|')})/`,
            message: `${folder} must not import this folder: dependencies run one way (docs/DESIGN.md).`,
          },
          ...(folder === 'mount'
            ? [
                {
                  regex: `^(\\.\\./)+blockstore/(?!(${blockstoreSharedWithMount.join('|')})\\.ts$)`,
                  message: 'mount imports only the shared half of blockstore (chunker, codec, hash, profile).',
                },
              ]
            : []),
        ],
      },
    ],
  },
});

export default tseslint.config(
  { ignores: ['node_modules/', '**/*.wasm', 'blockstore/assembly/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // A suite is one function of many tests; a test file reads as a list.
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: { 'max-lines-per-function': 'off', 'no-console': 'off', '@typescript-eslint/no-floating-promises': 'error' },
  },
  { files: ['*.config.ts'], rules: { 'no-restricted-exports': 'off' } },
  ...Object.entries(forbidden).map(([folder, targets]) => direction(folder, targets)),
);
