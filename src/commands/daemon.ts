import type { End } from "../daemon/agenda.ts";
import { readHabits } from "../daemon/habits.ts";
import { stay } from "../daemon.ts";
import { asProvisionError, type ProvisionError } from "../errors.ts";
import { errorFacts, tellError } from "../messages.ts";
import type { Command, Invocation } from "./command.ts";
import { logOf, openRun } from "./open-run.ts";
import { runOnce } from "./run.ts";

/** Ask for a run now: `ubus call service signal` of the drop-ins, `reload` of the init script, a person. */
const RUN_NOW = "SIGHUP";
/** An interface has come up; number 12 on all machines that Node runs on under OpenWrt. */
const NETWORK_CAME = "SIGUSR2";

/** Stays until SIGTERM or SIGINT; each run is what `uciprov run` does, with the same lock and the same status file. */
export const daemon: Command = async (invocation) => {
  const ctx = openRun(invocation);
  const log = logOf(invocation);
  await stay({
    clock: ctx.clock,
    log,
    signal: invocation.signal,
    readHabits: () => readHabits(ctx.disk, log),
    isClockProven: ctx.isClockProven,
    run: (signal) =>
      oneRun({ ...invocation, signal, flags: { ...invocation.flags, isQuiet: !invocation.flags.isVerbose } }),
    listen(on) {
      const asked = () => on("asked");
      const mended = () => on("mended");
      process.on(RUN_NOW, asked).on(NETWORK_CAME, mended);
      return () => void process.off(RUN_NOW, asked).off(NETWORK_CAME, mended);
    },
  });
  return "provisioned";
};

async function oneRun(invocation: Invocation): Promise<End> {
  try {
    const { again } = await runOnce(invocation);
    return { kind: "settled", again };
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (invocation.signal.aborted) return { kind: "settled" };
    if (error.code === "BUSY") {
      invocation.tell(invocation.paint.quiet(`${error.message}: again in a minute`));
      return { kind: "busy" };
    }
    report(invocation, error);
    return error.mayRetry
      ? { kind: "try-later", retryAfter: error.retryAfter }
      : { kind: "settled", networkMayHelp: error.code === "NO_URI" };
  }
}

function report({ flags, paint, print, tell }: Invocation, error: ProvisionError): void {
  if (flags.isJson) print(JSON.stringify({ exit: error.exit, error: errorFacts(error) }));
  else tell(tellError(error, paint));
}
