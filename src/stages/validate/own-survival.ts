/** A tree may change how uciprov works, but not so that it no longer does: nobody would ever reach the device again. */
import { type Files, type Finding, file } from "../../api.ts";
import type { PathChange, ServiceChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import { readSettings, type Settings } from "../../settings.ts";
import type { UciPackage } from "../../uci/model.ts";
import { smallContent } from "../archived.ts";
import { probesOf } from "../confirm/probes.ts";

const CRON = "/etc/init.d/cron";

/** What a plan says besides UCI, as far as uciprov's own survival hangs on it. */
interface Besides {
  readonly services: readonly ServiceChange[];
  readonly paths: readonly PathChange[];
  readonly disk: Files;
  /** The resolver that named this tree; undefined: it lies before us. */
  readonly toldBy?: string;
}

/** What is wrong with uciprov's own settings as the plan would leave them. */
export function ownSettings(
  device: Device,
  own: UciPackage | undefined,
  { services, paths, disk, toldBy }: Besides,
): readonly Finding[] {
  try {
    const { settings } = readSettings(own);
    probesOf(settings, "https://tree.invalid");
    return [
      ...whySwitchedOff(device, settings),
      ...whyNotFound(device, settings),
      ...whyNotAsked(device, settings, toldBy),
      ...whyNotStarted(settings, services, paths),
      ...whyNeverStarted(device, settings, hasCron(disk) || paths.some(bringsCron)),
    ];
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === "SETTINGS_INVALID") {
      const { message, place = {}, findings } = thrown;
      const told = findings.length > 0 ? findings : [{ severity: "error", message, place } as const];
      return told.map((finding) => ({ ...finding, code: "PLAN_INVALID" as const }));
    }
    throw thrown;
  }
}

function whySwitchedOff({ settings: before }: Device, { main }: Settings): readonly Finding[] {
  const isLost = main.module.includes(UCI_OFF) && !before.main.module.includes(UCI_OFF);
  return [
    ...(main.enabled
      ? []
      : [fault("main.enabled", "a tree cannot switch uciprov off: no other would ever switch it on again")]),
    // The next run would take back what nobody says any more, this line among it, and the one after that would say it again.
    ...(isLost ? [fault("main.module", "a layer cannot leave out `uci`: without it nobody would read the layer")] : []),
  ];
}

const UCI_OFF = "-uci";

/** Nothing but crond starts a run there, and once it is off no run switches it on again. */
function whyNotStarted(
  { schedule }: Settings,
  services: readonly ServiceChange[],
  paths: readonly PathChange[],
): readonly Finding[] {
  const isOff =
    services.some(({ name, boot, run }) => name === "cron" && (boot === "disabled" || run === "stopped")) ||
    paths.some(({ kind, path }) => path === CRON && kind !== "file") ||
    (paths.some(({ path }) => isCronStart(path)) && !paths.some(startsCron));
  return isOff && schedule.by === "crond"
    ? [fault("schedule.by", "cron is what starts uciprov here, so no tree switches it off; let it be `daemon`")]
    : [];
}

/** A device whose busybox has no crond is left without anybody who starts a run. */
function whyNeverStarted({ settings: before }: Device, { schedule }: Settings, hasCron: boolean): readonly Finding[] {
  return schedule.by === "crond" && before.schedule.by !== "crond" && !hasCron
    ? [fault("schedule.by", "there is no cron on this device to start uciprov")]
    : [];
}

/** On paper there are no init scripts at all, and then nobody knows. */
function hasCron(disk: Files): boolean {
  return disk.stat(CRON) !== undefined || disk.list("/etc/init.d").length === 0;
}

const bringsCron = ({ kind, path }: PathChange) => kind === "file" && path === CRON;
const isCronStart = (path: string) => /^\/etc\/rc\.d\/S[0-9]{1,3}cron$/.test(path);

function startsCron(change: PathChange): boolean {
  return change.kind === "symlink" && isCronStart(change.path) && /^(?:\.\.|\/etc)\/init\.d\/cron$/.test(change.target);
}

/** Where a resolver looks, if it is told by name; a tree may say another place, but not none by saying nothing. */
const PLACES = [
  ["static.base_uri", ({ static: own }: Settings) => own.base_uri],
  ["https.uri", ({ https }: Settings) => https.uri],
  ["dnssec.name", ({ dnssec }: Settings) => dnssec.name],
  ["dns.name", ({ dns }: Settings) => dns.name],
] as const;

/**
 * A layer that *replaces* the package, or deletes from it, may take away by what name the device finds its tree. What an earlier tree had put there
 * may go with the tree: then the device's own comes back.
 */
function whyNotFound(device: Device, after: Settings): readonly Finding[] {
  return PLACES.flatMap(([place, of]) => {
    if (of(device.settings) === undefined || of(after) !== undefined || isTrees(device, place)) return [];
    return [fault(place, "it would be gone, and with it the way to the tree; say it in the layer, or say another one")];
  });
}

/** Whether an earlier tree had set this option of uciprov's own. */
function isTrees({ state }: Device, place: string): boolean {
  const record = state.owned.uci["uciprov"];
  const [section, option] = place.split(".");
  const sections = [...(record?.added ?? []), ...(record?.changed ?? [])];
  return sections.some(({ key, options }) => key === `=${section}` && options.some(({ name }) => name === option));
}

/** Resolvers that are told by name, and so know. */
const KNOWING: Readonly<Record<string, (settings: Settings) => boolean>> = {
  static: ({ static: own }) => own.base_uri !== undefined,
  https: ({ https }) => https.uri !== undefined,
  dnssec: ({ dnssec }) => dnssec.name !== undefined,
};
/** Those that settings switch off. */
const SWITCHED: Readonly<Record<string, (settings: Settings) => boolean>> = {
  dns: ({ dns }) => dns.enabled,
  dhcp: ({ dhcp }) => dhcp.enabled,
  lldp: ({ lldp }) => lldp.enabled,
};

/** Who named this tree must be asked again, or somebody who surely knows: a device that asks nobody who does never hears of another tree. */
function whyNotAsked(device: Device, after: Settings, toldBy: string | undefined): readonly Finding[] {
  if (toldBy === undefined) return [];
  const isListed = (settings: Settings) => settings.main.resolver.includes(toldBy);
  const isOn = SWITCHED[toldBy] ?? (() => true);
  const isAsked = (settings: Settings) => isListed(settings) && isOn(settings);
  if (!isAsked(device.settings) || isAsked(after)) return [];
  if (Object.entries(KNOWING).some(([name, knows]) => after.main.resolver.includes(name) && knows(after))) return [];
  const place = isListed(after) ? `${toldBy}.enabled` : "main.resolver";
  if (isTrees(device, place)) return [];
  return [fault(place, `${toldBy}, which named this tree, would not be asked any more, nor anybody who surely knows`)];
}

function fault(option: string, why: string): Finding {
  return {
    code: "PLAN_INVALID",
    severity: "error",
    message: `uciprov.${option}: ${why}`,
    place: { file: "/etc/config/uciprov", option },
  };
}

const CRONTAB = "/etc/crontabs/root";
/** How /etc/init.d/uciprov marks its line. */
const MARK = "# uciprov";
const LIMIT = 262_144;

/** Why a change that lands there would take uciprov's line out of root's crontab in a way that `keepSchedule` cannot mend; undefined: it would not. */
export function whyScheduleLost({ disk }: RunContext, change: PathChange, landing: string): string | undefined {
  if (landing !== CRONTAB || ownLines(disk).length === 0) return undefined;
  if (change.path !== CRONTAB) return `it is ${CRONTAB}, which has uciprov's own line: name it so`;
  if (change.kind === "symlink") return "it has uciprov's own line, which a link would take away";
  return change.kind === "file" && change.size > LIMIT ? `it is longer than ${LIMIT} bytes` : undefined;
}

function ownLines(disk: RunContext["disk"]): readonly string[] {
  return (disk.read(CRONTAB, LIMIT) ?? "").split("\n").filter((line) => line.endsWith(MARK));
}

/** Root's crontab is a tree's to write, but for the line that starts uciprov: it stays in whatever comes. Removing the file leaves that line. */
export async function keepSchedule(
  ctx: RunContext,
  { settings }: Device,
  changes: readonly PathChange[],
): Promise<readonly PathChange[]> {
  const own = ownLines(ctx.disk);
  if (own.length === 0 || changes.every(({ path }) => path !== CRONTAB)) return changes;
  return await Promise.all(
    changes.map(async (change) => {
      if (change.path !== CRONTAB || change.kind === "symlink") return change;
      if (change.kind === "remove") return file(CRONTAB, `${own.join("\n")}\n`, { mode: 0o600, origin: change.origin });
      if (change.size > LIMIT) return change;
      const text = Buffer.from(await smallContent(ctx, settings, change.content)).toString("utf8");
      const lines = text.split("\n").filter((line) => !line.endsWith(MARK) && line !== "");
      return { ...change, ...bytesOf(`${[...lines, ...own].join("\n")}\n`) };
    }),
  );
}

function bytesOf(text: string) {
  const { content, size, sha256 } = file(CRONTAB, text, { origin: { module: "" } });
  return { content, size, sha256 };
}
