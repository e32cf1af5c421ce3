import { defineConfig } from 'vitest/config';

const conditions = ['@vmgpu/source', 'import', 'module', 'node', 'default'];

/** The real components: one file at a time, and as long as they need. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['e2e/**/*.e2e.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    // An emulated machine can crash (e2e/hostvm/README.md): one more try, on a fresh one.
    retry: 1,
    fileParallelism: false,
    pool: 'forks',
  },
});
