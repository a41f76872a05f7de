import { defineConfig } from "vitest/config";

/** Unit, property, contract and scenario tests: they need no root rights and no installed package. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/real/**"],
    testTimeout: 30_000,
    env: { NODE_EXTRA_CA_CERTS: "" },
  },
});
