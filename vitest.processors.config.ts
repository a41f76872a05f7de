import { defineConfig } from "vitest/config";
import { reporting } from "./vitest.reporting.ts";

/** The program on another processor: `UCIPROV_NODE="qemu-aarch64-static -L /usr/aarch64-linux-gnu …/bin/node" npm run test:processors`. */
export default defineConfig({
  test: {
    ...reporting(),
    retry: process.env["CI"] === "true" ? 1 : 0,
    include: ["test/processors/**/*.test.ts"],
    testTimeout: 300_000,
    maxConcurrency: 2,
    env: { NODE_EXTRA_CA_CERTS: "", UCIPROV_PATIENCE: "6" },
  },
});
