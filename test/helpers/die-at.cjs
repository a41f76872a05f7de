// Loaded before the program (node --require): kills it the moment the transaction's journal has come to the state in UCIPROV_TEST_STATE,
// or at rename number UCIPROV_TEST_RENAME, as a lost power cord would: no handler runs, nothing is flushed that was not.
const fs = require("node:fs");

const state = process.env.UCIPROV_TEST_STATE;
const number = Number(process.env.UCIPROV_TEST_RENAME ?? 0);
const rename = fs.renameSync;
let count = 0;

fs.renameSync = (from, to) => {
  rename(from, to);
  count += 1;
  const isJournal = String(to).endsWith("/lib/uciprov/tx/journal");
  const isState = isJournal && state !== undefined && fs.readFileSync(to, "utf8").includes(`\nstate=${state}\n`);
  if (isState || count === number) process.kill(process.pid, "SIGKILL");
};
