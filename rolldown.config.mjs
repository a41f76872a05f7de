import { defineConfig } from "rolldown";
import { asciiOnly } from "./scripts/ascii.mjs";
import { exportTables } from "./scripts/exports.mjs";
import { leaveOut } from "./scripts/leave-out.mjs";
import { licences } from "./scripts/licences.mjs";
import { parserFile } from "./scripts/parser-file.mjs";
import { smaller } from "./scripts/smaller.mjs";

/** What is better known by another name than its file's. */
const CHUNKS = [
  ["src/host/http/client.ts", "http.cjs"],
  ["src/host/http/agent.ts", "undici.cjs"],
];

/**
 * CommonJS, because an ES module that imports node:http makes Node >= 22 load all of its own undici (nodejs/node#59686), at a cost
 * that a run without HTTP would pay, too. Whatever the sources import dynamically becomes a chunk of its own: HTTP, the admin's commands.
 */
export default defineConfig({
  input: { uciprov: "src/start.ts", main: "src/main.ts" },
  platform: "node",
  preserveEntrySignatures: "allow-extension",
  tsconfig: false,
  external: /^node:/,
  checks: { pluginTimings: false }, // the second minifier takes its time
  transform: { target: "node20" },
  plugins: [leaveOut(), parserFile("llhttp.wasm"), licences("LICENSES.txt"), exportTables(), smaller(), asciiOnly()],
  output: {
    dir: "dist",
    cleanDir: true,
    format: "cjs",
    minify: true,
    comments: { annotation: false }, // nobody bundles this again
    // A device gets few files: what one half of the program needs lies together.
    // Each group takes what its modules import, unless one before it has that already.
    codeSplitting: {
      groups: [
        { name: "core", test: /src\/(?:commands\/all|last-words)\.ts$/, priority: 3 },
        { name: "dnssec", test: /src\/dns\/dnssec\/chain\.ts$/, priority: 2 },
        { name: "fetch", test: /src\/stages\/fetch\.ts$/, priority: 2 },
        { name: "guard", test: /src\/commands\/guard\.ts$/, priority: 2 },
        { name: "daemon", test: /src\/commands\/daemon\.ts$/, priority: 2 },
        { name: "files", test: /src\/(?:soon-after|transaction\/(?:folders|replace-file))\.ts$/, priority: 3 },
        { name: "probe", test: /src\/commands\/probe\.ts$/, priority: 2 },
        { name: "pbx", test: /hooks\/pbx\/plan\.ts$/, priority: 2 },
        { name: "security", test: /hooks\/security\/plan\.ts$/, priority: 1 },
        { name: "monitoring", test: /hooks\/monitoring\/(?:plan|probe)\.ts$/, priority: 2 },
        { name: "archive", test: /src\/tree\/archive(?:-placement|-rehearsal)?\.ts$/, priority: 2 },
        {
          name: "change",
          test: /(?:src\/(?:change-device|stages\/(?:recover-transaction|roll-to|settle-firmware)|commands\/(?!help)[\w-]+|tree\/fwtool)|hooks\/_[\w-]+-plan)\.ts$/,
          priority: 1,
        },
        // An admin's commands, but for those with much of their own, and for `uci`, of which scripts start many.
        { name: "admin", test: /src\/admin\/(?!lint|serve|name-server|tree-server|uci)/, priority: 0 },
      ],
    },
    entryFileNames: "[name].cjs",
    chunkFileNames: ({ facadeModuleId = "", name }) =>
      CHUNKS.find(([file]) => facadeModuleId?.endsWith(file))?.[1] ??
      `${/src\/admin\/([\w-]+)\/command\.ts$/.exec(facadeModuleId ?? "")?.[1] ?? name}.cjs`,
    banner: ({ name }) => (name === "uciprov" ? "#!/usr/bin/env node" : ""),
  },
});
