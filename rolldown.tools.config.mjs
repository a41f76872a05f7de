import { defineConfig } from "rolldown";

/** What runs on a developer's machine: plain JavaScript beside node_modules, since Node 20 cannot read TypeScript. */
export default defineConfig({
  input: { demo: "scripts/demo.ts" },
  platform: "node",
  tsconfig: false,
  external: [/^node:/, /^[a-z@]/],
  output: { dir: "build", format: "esm", entryFileNames: "[name].mjs" },
});
