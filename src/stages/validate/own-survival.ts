/** A tree may change how uciprov works, but not so that it no longer does: nobody would ever reach the device again. */
import { type Finding, file } from "../../api.ts";
import type { PathChange, ServiceChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import { readSettings, type Settings } from "../../settings.ts";
import { placeOfPath } from "../../transaction/steps.ts";
import type { UciPackage } from "../../uci/model.ts";
import { smallContent } from "../archived.ts";

/** What is wrong with uciprov's own settings as the plan would leave them. */
export function ownSettings(
  device: Device,
  own: UciPackage | undefined,
  services: readonly ServiceChange[],
): readonly Finding[] {
  try {
    const { settings } = readSettings(own);
    return [...whySwitchedOff(settings), ...whyNotFound(device, settings), ...whyNotStarted(settings, services)];
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === "SETTINGS_INVALID") {
      return thrown.findings.map((finding) => ({ ...finding, code: "PLAN_INVALID" as const }));
    }
    throw thrown;
  }
}

function whySwitchedOff({ main }: Settings): readonly Finding[] {
  return main.enabled
    ? []
    : [fault("main.enabled", "a tree cannot switch uciprov off: no other would ever switch it on again")];
}

/** Nothing but crond starts a run there, and once it is off no run switches it on again. */
function whyNotStarted({ schedule }: Settings, services: readonly ServiceChange[]): readonly Finding[] {
  const isOff = services.some(({ name, boot, run }) => name === "cron" && (boot === "disabled" || run === "stopped"));
  return isOff && schedule.by === "crond"
    ? [fault("schedule.by", "cron is what starts uciprov here, so no tree switches it off; let it be `daemon`")]
    : [];
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
function whyNotFound({ settings: before, state }: Device, after: Settings): readonly Finding[] {
  const record = state.owned.uci["uciprov"];
  const isTrees = (place: string): boolean => {
    const [section, option] = place.split(".");
    const sections = [...(record?.added ?? []), ...(record?.changed ?? [])];
    return sections.some(({ key, options }) => key === `=${section}` && options.some(({ name }) => name === option));
  };
  return PLACES.flatMap(([place, of]) => {
    if (of(before) === undefined || of(after) !== undefined || isTrees(place)) return [];
    return [fault(place, "it would be gone, and with it the way to the tree; say it in the layer, or say another one")];
  });
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

/** Why a change would take uciprov's line out of root's crontab in a way that `keepSchedule` cannot mend; undefined: it would not. */
export function whyScheduleLost({ disk }: RunContext, change: PathChange): string | undefined {
  if (placeOfPath(disk, change.path) !== CRONTAB || ownLines(disk).length === 0) return undefined;
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
