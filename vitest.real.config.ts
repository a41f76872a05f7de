import { defineConfig } from "vitest/config";

/** Tests against real peers in network namespaces: root rights and Debian packages; required in CI. */
export default defineConfig({
  test: {
    include: ["test/real/**/*.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
