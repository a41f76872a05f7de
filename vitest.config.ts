import { defineConfig } from "vitest/config";
import { reporting } from "./vitest.reporting.ts";

/** Unit, property, contract and scenario tests: they need no root rights and no installed package. */
export default defineConfig({
  test: {
    ...reporting(),
    // Signals, deadlines and peers of real processes: a machine that stalls for a moment may be late once. Twice is a fault.
    retry: process.env["CI"] === "true" ? 1 : 0,
    // Half of a scenario is waiting; more than two at once make the processes of others late.
    maxWorkers: 2,
    include: ["test/**/*.test.ts"],
    exclude: ["test/real/**", "test/processors/**"],
    testTimeout: 60_000,
    env: { NODE_EXTRA_CA_CERTS: "" },
  },
});
