import { ProvisionError } from "../errors.ts";
import { readStatus } from "../host/board.ts";
import { openDisk } from "../host/disk.ts";
import { takeLock } from "../host/lock.ts";
import { openProcesses } from "../host/processes.ts";
import { toldLeft } from "../left-part.ts";
import { plainJournal } from "../stages/journal-facts.ts";
import { BY_HAND } from "../stages/most-attempts.ts";
import { forgetOwner } from "../stages/reset.ts";
import { type Confirmed, readState } from "../state.ts";
import { listGenerations } from "../transaction/generations.ts";
import { discard } from "../transaction/roll-back.ts";
import { redactUri } from "../uri.ts";
import type { Command } from "./command.ts";
import { openRun } from "./open-run.ts";
import { passOverSignals } from "./run.ts";

/** The last run, and what the device is. */
export const status: Command = async ({ root, flags, paint, print }) => {
  const disk = openDisk(root);
  const { confirmed, latch, failed } = readState(disk);
  const facts = {
    confirmed: confirmed ? withoutInputs(confirmed) : null,
    owner: latch ?? null,
    failed: failed ?? null,
    transaction: plainJournal(disk) ?? null,
    run: readStatus(disk) ?? null,
  };
  if (flags.isJson) {
    print(JSON.stringify(facts));
    return "provisioned";
  }
  print(
    `${paint.strong("confirmed")} ${confirmed ? `${redactUri(confirmed.base)}${confirmed.serial === undefined ? "" : `, serial ${confirmed.serial}`}, ${new Date(confirmed.at * 1000).toISOString()}` : "nothing yet: this is the first boot"}`,
  );
  print(
    `${paint.strong("owner")}     ${latch === undefined ? "none" : latch.kind === "keys" ? `${latch.threshold} of the keys ${latch.fingerprints.join(", ")}` : `${latch.host}:${latch.port}`}`,
  );
  if (confirmed?.left) print(`${paint.bad("held back")} ${toldLeft(confirmed.left)}`);
  if (failed) {
    const tree = failed.digest === confirmed?.digest ? "this tree" : "another tree";
    // Somebody's word counts as all three attempts.
    const times = failed.reason.startsWith(BY_HAND)
      ? "which is not taken again before it changes"
      : (["and that does not count", "once"][failed.attempts] ?? `${failed.attempts} times`);
    print(`${paint.warn("taken back")} ${tree}, ${times}: ${failed.reason}`);
  }
  if (facts.transaction) print(`${paint.warn("open transaction")} ${facts.transaction.id}, ${facts.transaction.state}`);
  print(`${paint.strong("last run")}  ${toldRun(facts.run)}`);
  return "provisioned";
};

/** The generations that can be gone back to. */
export const history: Command = async ({ root, flags, print, paint }) => {
  const generations = listGenerations(openDisk(root));
  if (flags.isJson) {
    print(JSON.stringify(flags.isQuiet ? generations.map(countPaths) : generations));
    return "provisioned";
  }
  if (generations.length === 0) print("no generation is kept");
  for (const { number, at, tree, left, paths } of generations) {
    const serial = tree.serial === undefined ? "" : `, serial ${tree.serial}`;
    print(
      `${paint.strong(String(number).padStart(4))}  ${new Date(at * 1000).toISOString()}  ${redactUri(tree.uri)}${serial}`,
    );
    if (left !== undefined) print(`      ${paint.warn(`without ${left}`)}`);
    for (const path of paths) print(`      ${paint.quiet(path)}`);
  }
  return "provisioned";
};

function countPaths({ paths, ...generation }: ReturnType<typeof listGenerations>[number]): Record<string, unknown> {
  return { ...generation, paths: paths.length };
}

/** Back to an earlier generation, all or nothing; the tree that was confirmed is not taken again until it changes. */
export const rollback: Command = async (invocation) => {
  passOverSignals();
  const ctx = openRun(invocation);
  const [word] = invocation.words;
  if (word !== undefined && !/^\d{1,9}$/.test(word)) throw new ProvisionError("USAGE", `${word} is no generation`);
  const release = takeLock(ctx.disk, openProcesses());
  try {
    const { restart, rollBackTo } = await import("../stages/roll-to.ts");
    const back = await rollBackTo(ctx, word === undefined ? undefined : Number(word));
    const { number, paths, reboots } = back;
    const restarts = reboots.length === 0 ? {} : { reboots };
    if (invocation.flags.isJson) {
      invocation.print(JSON.stringify({ exit: "provisioned", generation: number, paths, ...restarts }));
    } else {
      invocation.print(`the device is at generation ${number} again: ${paths.length} files put back`);
    }
    await restart(ctx, back);
    return "provisioned";
  } finally {
    release();
  }
};

/** Lets the owner go. */
export const reset: Command = async (invocation) => {
  const ctx = openRun(invocation);
  const release = takeLock(ctx.disk, openProcesses());
  try {
    const { isTransaction, isJson } = invocation.flags;
    if (isTransaction) discard(ctx);
    const gone = isTransaction ? [] : forgetOwner(ctx);
    const told = isTransaction
      ? "the open transaction is dropped; the device stays as it is"
      : gone.length === 0
        ? "there was nothing to forget"
        : `forgotten: ${gone.join(", ")}`;
    invocation.print(isJson ? JSON.stringify({ exit: "provisioned", forgotten: gone }) : told);
    return "provisioned";
  } finally {
    release();
  }
};

/** The status file in a line; it may be an older program's, so nothing in it is taken for granted. */
function toldRun(run: unknown): string {
  if (typeof run !== "object" || run === null) return "none since boot";
  const facts: Record<string, unknown> = Object.fromEntries(Object.entries(run));
  const error: unknown = facts["error"];
  const code = typeof error === "object" && error !== null && "code" in error ? `, ${error.code}` : "";
  if (facts["state"] === "running") return `under way since ${facts["started"]}, in ${facts["stage"]}`;
  return `${facts["ended"]}: ${facts["told"] ?? facts["result"]}${code}`;
}

/** What the plan was made from is for comparing, and holds macro values that need not be for everybody. */
function withoutInputs({ inputs: _, base, ...confirmed }: Confirmed): Record<string, unknown> {
  return { base: redactUri(base), ...confirmed };
}
