import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    // Every test proves something: one without an assertion fails, and so does a forgotten `.only`.
    expect: { requireAssertions: true },
    allowOnly: false,
    unstubGlobals: true,
    testTimeout: 20_000,
  },
})
