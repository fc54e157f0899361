// Unit tests run the TypeScript sources through swc, without a build. Integration tests start
// the built programs as child processes. Both wait a good deal, so that
// three files run at a time on two cores.
const common = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs', ignoreDynamic: true },
      },
    ],
  },
  moduleNameMapper: {
    '^@kvm-audio/native-alsa/(\\w+)$': '<rootDir>/native-alsa/lib/$1.ts',
    '^@kvm-audio/daemon/config$': '<rootDir>/packages/daemon/src/config/loadConfig.ts',
    '^@kvm-audio/daemon/log$': '<rootDir>/packages/daemon/src/log.ts',
    '^@kvm-audio/([\\w-]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  // A global is looked up by name each time: too slow for once a sample.
  sandboxInjectedGlobals: ['Math'],
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/native-alsa/build/'],
};

export default {
  // A busy machine is slow, not wrong: tests wait for conditions, each with a limit of its own.
  testTimeout: 120_000,
  testSequencer: '<rootDir>/test/helpers/waitingFirst.cjs',
  reporters: ['default', '<rootDir>/test/helpers/closingLine.cjs'],
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/packages/**/src/**/*.test.ts',
        '<rootDir>/native-alsa/**/*.test.ts',
        '<rootDir>/test/simulation/**/*.test.ts',
        '<rootDir>/test/tidy/**/*.test.ts',
      ],
    },
    {
      ...common,
      displayName: 'integration',
      testMatch: [
        '<rootDir>/test/integration/**/*.test.ts',
        '<rootDir>/test/contract/**/*.test.ts',
      ],
    },
    // What takes minutes: `make test-long`.
    {
      ...common,
      displayName: 'long',
      testMatch: ['<rootDir>/test/long/**/*.test.ts'],
    },
  ],
};
