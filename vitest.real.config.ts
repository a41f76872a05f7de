import { defineConfig } from "vitest/config";
import { reporting } from "./vitest.reporting.ts";

/** Tests against real peers in network namespaces: root rights and Debian packages; required in CI. */
export default defineConfig({
  test: {
    ...reporting(),
    include: ["test/real/**/*.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    env: { NODE_EXTRA_CA_CERTS: "" },
  },
});
