import type { Finding } from "../../api.ts";
import type { PathChange, ServiceChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { whyForbidden } from "../../paths.ts";
import { SERVICE_NAME, type ServiceRecord } from "../../service-record.ts";
import { decideService, mergeServices, placeOf, type ServicePlan, type WantedService } from "../../services.ts";
import { smallContent } from "../archived.ts";
import type { Held } from "../bisect/hold.ts";
import { isRunning } from "../service-state.ts";
import { bootLinks, linksOf, orderIn, triggersIn } from "./service-links.ts";

/** So many services one plan may name; the journal lists what is done to them. */
const MOST = 64;
const SCRIPT_LIMIT = 262_144;

/** Without it the device is out of reach for good as soon as it boots again: no probe of a trial would tell. */
const NEEDED = ["network"];
/** What many a device is reached or kept by. */
const WORTH_A_WORD = ["dropbear", "sshd", "firewall"];

export interface ServicesPlanned {
  /** Links at boot that the services ask for. */
  readonly links: readonly PathChange[];
  readonly findings: readonly Finding[];
  /** With what the rest of the plan changes: what is done once the files are in place, and what is remembered. */
  settle(changedPaths: ReadonlySet<string>): Promise<{ acts: readonly ServicePlan[]; record: ServiceRecord }>;
}

/** What modules say of services, against the init scripts as they will be. `paths`: all other changes of the plan; `isMoreToCome`: packages may bring scripts. */
export async function planServices(
  ctx: RunContext,
  device: Device,
  changes: readonly ServiceChange[],
  paths: readonly PathChange[],
  held: Held,
  isMoreToCome = false,
): Promise<ServicesPlanned> {
  const { wanted, findings: contradictions } = mergeServices(changes.filter(({ name }) => !held.hasService(name)));
  const findings = [...contradictions, ...[...wanted.values()].flatMap(refusals)];
  if (wanted.size > MOST) {
    findings.push({
      code: "TOO_LARGE",
      severity: "error",
      message: `the tree names ${wanted.size} services; ${MOST} are allowed`,
    });
  }
  const record = device.state.owned.services ?? {};
  const isFaulty = findings.some(({ severity }) => severity === "error");
  const names = isFaulty
    ? []
    : [...new Set([...wanted.keys(), ...Object.keys(record)])].filter((name) => !held.hasService(name)).sort();
  const links: PathChange[] = [];
  const settling: ((changed: ReadonlySet<string>) => Promise<[string, ReturnType<typeof decideService>]>)[] = [];
  for (const name of names) {
    const want = wanted.get(name);
    const script = await scriptOf(ctx, device, name, paths);
    const known = knownLinks(ctx, device);
    const wrong = want === undefined ? undefined : whyNot(want, script, isMoreToCome);
    if (want !== undefined && wrong !== undefined) findings.push(wrong);
    if (want?.boot !== undefined && (script !== undefined || want.boot === "disabled") && wrong === undefined) {
      links.push(...bootLinks(name, want.boot === "enabled", script, known, want.origin));
    }
    settling.push(async (changed) => {
      // Without a script there is nobody to ask; what the tree wants of it waits until it is there.
      if (script === undefined) return [name, {}];
      const startsAtBoot =
        want?.boot === undefined ? linksOf(name, known).some((link) => link.startsWith("S")) : want.boot === "enabled";
      const facts = { isRunning: await isRunning(ctx, name, script), startsAtBoot, triggers: triggersIn(script) };
      return [name, decideService(name, want, record[name], changed, facts)];
    });
  }
  return {
    links,
    findings,
    async settle(changed) {
      const all = await Promise.all(settling.map((one) => one(changed)));
      return {
        acts: all.flatMap(([, { act }]) => (act === undefined ? [] : [act])),
        record: {
          ...Object.fromEntries(Object.entries(record).filter(([name]) => held.hasService(name))),
          ...Object.fromEntries(all.flatMap(([name, { owned }]) => (owned === undefined ? [] : [[name, owned]]))),
        },
      };
    },
  };
}

function refusals(service: WantedService): Finding[] {
  const { name, boot, run, origin } = service;
  const finding = (severity: Finding["severity"], code: Finding["code"], message: string): Finding[] => [
    { code, severity, message, ...placeOf(origin) },
  ];
  if (!SERVICE_NAME.test(name)) return finding("error", "PLAN_INVALID", `${JSON.stringify(name)} is no service's name`);
  const why = whyForbidden(`/etc/init.d/${name}`);
  if (why !== undefined) return finding("error", "PATH_FORBIDDEN", `the service ${name} is never acted on: ${why}`);
  if (boot !== "disabled" && run !== "stopped") return [];
  if (NEEDED.includes(name)) {
    return finding("error", "PLAN_INVALID", `without ${name} nobody would ever reach the device again`);
  }
  if (!WORTH_A_WORD.includes(name)) return [];
  return finding(
    "warning",
    "PLAN_INVALID",
    `${name} is switched off: the device may be harder to reach or less guarded`,
  );
}

/** A service that is not there: nothing to switch off, and a word about it if it was to be switched on. */
function whyNot(
  { name, boot, run, origin }: WantedService,
  script: string | undefined,
  isMoreToCome: boolean,
): Finding | undefined {
  if (boot !== "enabled" && run !== "started") return undefined;
  const isStartable = script !== undefined && (boot !== "enabled" || orderIn(script, "START") !== undefined);
  if (isStartable) return undefined;
  const what = script === undefined ? "there is no such service on this device" : "its init script has no START number";
  const message = `${name} cannot be ${boot ?? "started"}: ${what}`;
  return { code: "PLAN_INVALID", severity: isMoreToCome ? "note" : "warning", message, ...placeOf(origin) };
}

/** The init script as the plan leaves it. */
async function scriptOf(
  ctx: RunContext,
  device: Device,
  name: string,
  paths: readonly PathChange[],
): Promise<string | undefined> {
  const path = `/etc/init.d/${name}`;
  const planned = paths.find((change) => change.path === path);
  if (planned?.kind === "remove") return undefined;
  if (planned?.kind !== "file") return SERVICE_NAME.test(name) ? ctx.disk.read(path, SCRIPT_LIMIT) : undefined;
  if (planned.size > SCRIPT_LIMIT) return undefined;
  return Buffer.from(await smallContent(ctx, device.settings, planned.content)).toString("utf8");
}

/** What is in /etc/rc.d, and what uciprov once set or removed there. */
function knownLinks(ctx: RunContext, device: Device): string[] {
  return [
    ...ctx.disk.list("/etc/rc.d").map((name) => `/etc/rc.d/${name}`),
    ...Object.keys(device.state.owned.files ?? {}),
  ];
}
