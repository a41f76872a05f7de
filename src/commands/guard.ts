import type { Disk } from "../api.ts";
import type { RunContext } from "../context.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { follow } from "../guard/follower.ts";
import { GUARD_FILE, type Guard, LONGEST_GUARD_FILE, parseGuard } from "../guard/guard-file.ts";
import { isStatus, tellStatus } from "../guard/status.ts";
import { takeLock } from "../host/lock.ts";
import { openProcesses } from "../host/processes.ts";
import { makeFolder } from "../ram-folder.ts";
import type { Command, Invocation } from "./command.ts";
import { dryWorld, GUARD_RAM, guardWorld } from "./guard-world.ts";
import { openRun } from "./open-run.ts";

const READ_ANEW = "SIGHUP";
const GUARD_LOCK = { path: GUARD_RAM.lock, doing: "is guarding this device" } as const;
/** Bytes. */
const LONGEST_STATUS = 262_144;

/** Stays until SIGTERM or SIGINT, and lets the kernel shut out whom the logs accuse; SIGHUP reads guard.json anew. */
export const guard: Command = async (invocation) => {
  const ctx = openRun(invocation);
  if (invocation.flags.isStatus) return showStatus(ctx.disk, invocation);
  let told = readGuard(ctx.disk);
  const { isDry } = ctx.choices;
  if (!isDry) makeFolder(ctx.disk, GUARD_RAM.folder, 0o755);
  const giveBack = isDry ? undefined : takeLock(ctx.disk, openProcesses(), GUARD_LOCK);
  const openWorld = isDry ? dryWorld : guardWorld;
  try {
    for (;;) {
      await untilToldAnew(ctx.signal, (signal) => follow(told, openWorld(invocation, ctx, told, signal)));
      if (ctx.signal.aborted) return "provisioned";
      told = readAnew(ctx, told);
    }
  } finally {
    giveBack?.();
  }
};

function showStatus(disk: Disk, { flags, print }: Invocation): "provisioned" | "failed" {
  const text = disk.read(GUARD_RAM.status, LONGEST_STATUS);
  if (text === undefined) {
    print(flags.isJson ? "null" : "no guard has run since the device was started");
    return "failed";
  }
  const status: unknown = JSON.parse(text);
  if (!isStatus(status)) throw new ProvisionError("FILE_UNREADABLE", `${GUARD_RAM.status} is no status of version 1`);
  print(flags.isJson ? JSON.stringify(status) : tellStatus(status));
  return "provisioned";
}

function readGuard(disk: Disk): Guard {
  const text = disk.read(GUARD_FILE, LONGEST_GUARD_FILE);
  if (text !== undefined) return parseGuard(text);
  throw new ProvisionError("GUARD_INVALID", "it is not there; the security module writes it when it is enabled", {
    place: { file: GUARD_FILE },
  });
}

/** What cannot be read leaves the guard as it is: a mistake must not open the door. */
function readAnew({ disk, log }: RunContext, before: Guard): Guard {
  try {
    const told = readGuard(disk);
    log("info", `${GUARD_FILE} is read anew`);
    return told;
  } catch (thrown) {
    log("error", `the guard goes on as it was: ${GUARD_FILE}: ${asProvisionError(thrown).message}`);
    return before;
  }
}

async function untilToldAnew(stop: AbortSignal, act: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const end = new AbortController();
  const pass = () => end.abort(stop.reason);
  stop.addEventListener("abort", pass, { once: true });
  process.on(READ_ANEW, pass);
  try {
    if (stop.aborted) pass();
    await act(end.signal);
  } finally {
    stop.removeEventListener("abort", pass);
    process.off(READ_ANEW, pass);
  }
}
