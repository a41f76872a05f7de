/**
 * Services: what several modules want of one, what uciprov remembers of it, and what is therefore done to it now. Pure: it decides,
 * `stages/service-acts.ts` does.
 */
import type { Origin, ServiceChange } from "./changes.ts";
import type { Finding } from "./errors.ts";
import type { OnChange, OwnedService, ServiceRun } from "./service-record.ts";

/** What all modules together want of one service. */
export interface WantedService {
  readonly name: string;
  readonly boot?: ServiceChange["boot"];
  readonly run?: ServiceRun;
  readonly onChange?: OnChange;
  readonly origin: Origin;
}

export type ServiceAct = "start" | "stop" | "reload" | "restart";

/** One thing that is done to a service once the files are in place. */
export interface ServicePlan {
  readonly name: string;
  readonly act: ServiceAct;
  /** What is done after a way back, with the old files. */
  readonly undo: ServiceAct;
  /** As the rest of a sentence: `/etc/asterisk/extensions.conf changes`. */
  readonly because: string;
  /** procd does it by itself, since the service asked to be told when this package changes. */
  readonly byProcd?: string;
  /** What it was doing when the plan was made. */
  readonly wasRunning?: boolean;
  readonly origin?: Origin;
}

/** Brings together what modules say of each service. UCI's way of winning silently is not ours: contradictions are findings. */
export function mergeServices(changes: readonly ServiceChange[]): {
  readonly wanted: ReadonlyMap<string, WantedService>;
  readonly findings: readonly Finding[];
} {
  const wanted = new Map<string, WantedService>();
  const findings: Finding[] = [];
  for (const change of changes) {
    const before = wanted.get(change.name);
    for (const what of ["boot", "run"] as const) {
      const [said, says] = [before?.[what], change[what]];
      if (before === undefined || said === undefined || says === undefined || said === says) continue;
      const message = `${change.name} is to be ${said}, says ${teller(before.origin)}, and ${says}, says ${teller(change.origin)}`;
      findings.push({ code: "PLAN_INVALID", severity: "error", message, ...placeOf(change.origin) });
    }
    wanted.set(change.name, before === undefined ? asWanted(change) : joined(before, change));
  }
  return { wanted, findings };
}

function asWanted({ kind: _, ...wanted }: ServiceChange): WantedService {
  return wanted;
}

function joined(one: WantedService, other: ServiceChange): WantedService {
  const boot = one.boot ?? other.boot;
  const run = one.run ?? other.run;
  const onChange = joinedActs([one.onChange, other.onChange].filter((part) => part !== undefined));
  return {
    name: one.name,
    ...(boot === undefined ? {} : { boot }),
    ...(run === undefined ? {} : { run }),
    ...(onChange === undefined ? {} : { onChange }),
    origin: one.origin,
  };
}

/** Each path keeps the act that was asked for it; a path that both were asked for has the stronger one. */
function joinedActs(parts: readonly OnChange[]): OnChange | undefined {
  if (parts.length === 0) return undefined;
  const sorted = (paths: readonly string[]) => [...new Set(paths)].sort();
  const restart = sorted(parts.flatMap(({ act, paths, restart = [] }) => (act === "restart" ? paths : restart)));
  const reload = sorted(parts.flatMap(({ act, paths }) => (act === "reload" ? paths : []))).filter(
    (path) => !restart.includes(path),
  );
  if (reload.length === 0) return { paths: restart, act: "restart" };
  return { paths: reload, act: "reload", ...(restart.length === 0 ? {} : { restart }) };
}

function teller({ module, uri, detail }: Origin): string {
  return [module, uri, detail].filter((part) => part !== undefined).join(" ");
}

export function placeOf({ uri, detail }: Origin): Pick<Finding, "place"> {
  const line = /^line ([0-9]{1,9})$/.exec(detail ?? "")?.[1];
  if (uri === undefined) return {};
  return { place: { file: uri, ...(line === undefined ? {} : { line: Number(line) }) } };
}

/** What the device tells of a service while a plan is made. */
export interface ServiceFacts {
  /** Undefined: nobody can say (no procd, or a script that does not use it). */
  readonly isRunning: boolean | undefined;
  /** Whether it starts at boot, once the plan is true. */
  readonly startsAtBoot: boolean;
  /** Packages whose change makes procd reload it. */
  readonly triggers: readonly string[];
}

/** What becomes of one service: the act, if any, and what is remembered of it. */
export function decideService(
  name: string,
  wanted: WantedService | undefined,
  owned: OwnedService | undefined,
  changedPaths: ReadonlySet<string>,
  facts: ServiceFacts,
): { readonly act?: ServicePlan; readonly owned?: OwnedService } {
  const run = runOf(wanted, owned, facts);
  // What a module that has fallen silent asked for still holds for its files, which go now.
  const onChange = joinedActs([wanted?.onChange, owned?.onChange].filter((part) => part !== undefined));
  const next: OwnedService = {
    ...(run.owned === undefined ? {} : { run: run.owned }),
    ...(wanted?.onChange === undefined ? {} : { onChange: wanted.onChange }),
  };
  const plan = run.act ?? (run.isStopped ? undefined : changeAct(onChange, changedPaths, facts));
  const about = {
    name,
    ...(facts.isRunning === undefined ? {} : { wasRunning: facts.isRunning }),
    ...(wanted === undefined ? {} : { origin: wanted.origin }),
  };
  return {
    ...(plan === undefined ? {} : { act: { ...about, ...plan } }),
    ...(Object.keys(next).length === 0 ? {} : { owned: next }),
  };
}

type Act = Pick<ServicePlan, "act" | "undo" | "because" | "byProcd">;

/** Acts only when the tree's word is new or gone: what happens to a service in between is its owner's business. */
function runOf(
  wanted: WantedService | undefined,
  owned: OwnedService | undefined,
  { isRunning }: ServiceFacts,
): { readonly act?: Act; readonly owned?: NonNullable<OwnedService["run"]>; readonly isStopped: boolean } {
  const said = owned?.run;
  const set = wanted?.run;
  if (set !== undefined && said?.set === set) return { owned: said, isStopped: set === "stopped" };
  const before = said?.before ?? (said !== undefined || isRunning === undefined ? undefined : runName(isRunning));
  const target = set ?? said?.before;
  const act = target === undefined ? undefined : actTowards(target, isRunning, set === undefined);
  return {
    ...(act === undefined ? {} : { act }),
    ...(set === undefined ? {} : { owned: { set, ...(before === undefined ? {} : { before }) } }),
    isStopped: target === "stopped",
  };
}

function runName(isRunning: boolean): ServiceRun {
  return isRunning ? "started" : "stopped";
}

function actTowards(target: ServiceRun, isRunning: boolean | undefined, isWithdrawn: boolean): Act | undefined {
  const because = isWithdrawn
    ? `the tree no longer names it, and it was ${target} before`
    : `the tree wants it ${target}`;
  if (isRunning !== undefined && runName(isRunning) === target) return undefined;
  if (target === "stopped") return { act: "stop", undo: "start", because };
  return { act: "start", undo: isRunning === undefined ? "reload" : "stop", because };
}

/** A service that neither runs nor will at the next boot is nobody's to start. */
function changeAct(
  onChange: OnChange | undefined,
  changed: ReadonlySet<string>,
  { isRunning, startsAtBoot, triggers }: ServiceFacts,
): Act | undefined {
  if (onChange === undefined) return undefined;
  const { paths, restart = [] } = onChange;
  const hits = [...changed].filter((path) => [...paths, ...restart].some((one) => covers(one, path)));
  const [first] = hits;
  if (first === undefined) return undefined;
  if (isRunning === false && !startsAtBoot) return undefined;
  const act = hits.some((path) => restart.some((one) => covers(one, path))) ? "restart" : onChange.act;
  const because = hits.length === 1 ? `${first} changes` : `${first} and ${hits.length - 1} more change`;
  const byProcd = act === "reload" ? triggers.find((name) => changed.has(`/etc/config/${name}`)) : undefined;
  return { act, undo: isRunning === false ? "stop" : act, because, ...(byProcd === undefined ? {} : { byProcd }) };
}

function covers(pattern: string, path: string): boolean {
  return pattern.endsWith("/") ? path.startsWith(pattern) : path === pattern;
}
