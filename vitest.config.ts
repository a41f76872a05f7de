import { defineConfig } from "vitest/config";
import { reporting } from "./vitest.reporting.ts";

/** Unit, property, contract and scenario tests: they need no root rights and no installed package. */
export default defineConfig({
  test: {
    ...reporting(),
    include: ["test/**/*.test.ts"],
    exclude: ["test/real/**"],
    testTimeout: 30_000,
    env: { NODE_EXTRA_CA_CERTS: "" },
  },
});
