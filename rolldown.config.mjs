import { defineConfig } from "rolldown";
import { leaveOut } from "./scripts/leave-out.mjs";
import { licences } from "./scripts/licences.mjs";

/**
 * CommonJS, because an ES module that imports node:http makes Node >= 22 load all of its own undici (nodejs/node#59686), at a cost
 * that a run without HTTP would pay, too. Whatever the sources import dynamically becomes a chunk of its own: HTTP, the admin's commands.
 */
export default defineConfig({
  input: { uciprov: "src/main.ts" },
  platform: "node",
  tsconfig: false,
  external: /^node:/,
  transform: { target: "node20" },
  plugins: [leaveOut(), licences("LICENSES.txt")],
  output: {
    dir: "dist",
    format: "cjs",
    minify: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: ({ facadeModuleId, name }) =>
      facadeModuleId?.endsWith("src/host/http/client.ts") ? "http.cjs" : `${name}.cjs`,
    banner: ({ isEntry }) => (isEntry ? "#!/usr/bin/env node" : ""),
  },
});
