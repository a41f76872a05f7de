/** What a run leaves for a Zabbix server: files that the agent's keys read, and an event when it ended otherwise than the one before. */

import type { Disk } from "./api.ts";
import type { RunContext } from "./context.ts";
import { asProvisionError, type ExitName, type ProvisionError } from "./errors.ts";
import { askTrapper } from "./host/trapper.ts";
import { letEnd } from "./last-words.ts";
import { type AgentKey, MONITOR_FOLDER, type TrapperKey } from "./monitor-keys.ts";
import type { Outcome } from "./provision.ts";
import { readConfirmed } from "./state.ts";
import { lastGeneration } from "./transaction/generations.ts";
import { redactUri } from "./uri.ts";
import { LONGEST_VALUE, writeMonitor } from "./zabbix/agent-files.ts";
import { openSender } from "./zabbix/sender.ts";

/** A run's end: what it came to, or the error it ended with. */
export function tellRun(ctx: RunContext, end: Outcome | ProvisionError): void {
  try {
    const before = (key: AgentKey) => ctx.disk.read(`${MONITOR_FOLDER}/${key}`, LONGEST_VALUE * 4)?.trim();
    const last = {
      exit: before("uciprov.exit"),
      error: before("uciprov.error"),
      failures: Number(before("uciprov.failures") ?? 0),
    };
    const now = factsOf(ctx.disk, end);
    const isFailed = now.error !== NO_ERROR;
    writeMonitor(ctx.disk, {
      "uciprov.result": now.result,
      "uciprov.exit": now.exit,
      "uciprov.error": now.error,
      "uciprov.failures": isFailed ? (Number.isSafeInteger(last.failures) ? last.failures : 0) + 1 : 0,
      "uciprov.time": Math.floor(ctx.clock.now() / 1000),
      ...confirmedFacts(ctx.disk),
      ...("plan" in end && end.plan !== undefined ? { "uciprov.drift": end.plan.drift.length } : {}),
    });
    const isNews = CHANGES.has(now.result) || last.exit !== now.exit || last.error !== now.error;
    const sender = openSender({ ...ctx, ask: askTrapper });
    if (isNews) {
      const key: TrapperKey = "uciprov.event";
      const { result, exit, error } = now;
      sender.put([{ key, value: `${result} ${exit} ${error} generation=${now.generation}` }]);
    }
    // Beside the run's end: the program waits for it, ten seconds at most, and nothing else does.
    letEnd(sender.deliver(new AbortController().signal));
  } catch (thrown) {
    ctx.log("info", `nobody is told of this run: ${asProvisionError(thrown).message}`);
  }
}

const NO_ERROR = "NONE";

/** Ends that are news whatever the last one was. */
const CHANGES: ReadonlySet<string> = new Set<Outcome["result"]>(["changed", "partial", "flashing", "rebooting"]);

interface EndFacts {
  readonly result: string;
  readonly exit: ExitName;
  readonly error: string;
  readonly generation: number;
}

function factsOf(disk: Disk, end: Outcome | ProvisionError): EndFacts {
  const generation = lastGeneration(disk);
  if (end instanceof Error) return { result: "failed", exit: end.exit, error: end.code, generation };
  const { result, exit } = end;
  return { result, exit, error: result === "partial" ? "PARTLY_CONFIRMED" : NO_ERROR, generation };
}

function confirmedFacts(disk: Disk): Partial<Record<AgentKey, string | number>> {
  const confirmed = readConfirmed(disk);
  return {
    "uciprov.generation": lastGeneration(disk),
    "uciprov.confirmed": confirmed?.at ?? 0,
    "uciprov.tree": confirmed === undefined ? "NONE" : confirmed.tree || redactUri(confirmed.base),
    "uciprov.serial": confirmed?.serial ?? 0,
    "uciprov.left": confirmed?.left?.length ?? 0,
  };
}
