import { defineConfig } from "vitest/config";
import { reporting } from "./vitest.reporting.ts";

/** Tests against real peers in network namespaces: root rights and Debian packages; required in CI. */
export default defineConfig({
  test: {
    ...reporting(),
    // Signals, deadlines and peers of real processes: a machine that stalls for a moment may be late once. Twice is a fault.
    retry: process.env["CI"] === "true" ? 1 : 0,
    include: ["test/real/**/*.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    env: { NODE_EXTRA_CA_CERTS: "" },
  },
});
