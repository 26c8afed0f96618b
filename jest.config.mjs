/**
 * One Jest configuration for all packages: TypeScript through swc, native ES modules, and package
 * imports resolved to sources by the `sluice-source` condition, so that tests need no build.
 * Run with NODE_OPTIONS=--experimental-vm-modules (`npm test` does).
 */
/** @type {import('jest').Config} */
const config = {
  testEnvironment: 'node',
  testEnvironmentOptions: {
    customExportConditions: ['sluice-source', 'node', 'node-addons'],
  },
  testMatch: [
    '<rootDir>/**/src/**/*.spec.ts',
    '<rootDir>/test/**/*.spec.ts',
    '<rootDir>/infra/{build,checks}/**/*.spec.mjs',
  ],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/\\.sluice/', '/\\.nx/'],
  modulePathIgnorePatterns: ['/dist/', '/\\.sluice/', '/\\.nx/'],
  watchPathIgnorePatterns: ['/dist/', '/\\.sluice/', '/\\.nx/'],
  haste: { forceNodeFilesystemAPI: true },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        configFile: false,
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  testSequencer: '<rootDir>/test/support/global-sequencer.mjs',
  maxWorkers: 3,
  workerIdleMemoryLimit: '768MB',
  testTimeout: 60_000,
};

export default config;
