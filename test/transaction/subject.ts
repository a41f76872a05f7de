/**
 * A real process that lives through a transaction on a root: `node subject.mjs ROOT LIFE [KILL-AT]`. LIFE is confirm, roll-back or
 * recover; before its changing operation KILL-AT it kills itself. UCIPROV_WATCH=SECONDS starts the watcher once it has prepared.
 */
import { openDisk } from "../../src/host/disk.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import type { TransactionHost } from "../../src/transaction/claim.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { recover } from "../../src/transaction/recover.ts";
import { forget, rollBack } from "../../src/transaction/roll-back.ts";
import { observed } from "./faulty-disk.ts";
import { watchSh } from "./recover-shell.ts";
import { copyArchived, FIRMWARE, KEEP, specimenOrder } from "./specimen.ts";

const [root = "", life = "", killAt = "0"] = process.argv.slice(2);
const { disk } = observed(openDisk(root), (count) => {
  if (count === Number(killAt)) process.kill(process.pid, "SIGKILL");
});
const host: TransactionHost = { disk, processes: openProcesses() };

if (life === "recover") await recover(host, { firmware: FIRMWARE, keep: KEEP });
else await transact();

async function transact(): Promise<void> {
  const prepared = await prepare(host, specimenOrder(), copyArchived);
  if (prepared.kind === "nothing") return;
  const seconds = process.env["UCIPROV_WATCH"];
  if (seconds !== undefined) watchSh(root, Number(seconds)).unref();
  applyActions(host, prepared);
  if (life === "confirm") await confirmTransaction(host, "t-1", () => true, KEEP);
  if (life === "roll-back") {
    await rollBack(host, "the probes failed");
    forget(host);
  }
}
