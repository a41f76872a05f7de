import type { ExitName, ProvisionError } from "../../errors.ts";
import { errorFacts } from "../../messages.ts";
import { printInstant } from "../../tree/manifest-headers.ts";
import { redactUri } from "../../uri.ts";
import type { PaperTree } from "./paper-tree.ts";
import type { FleetPlan, FleetRow } from "./plan-fleet.ts";

/** The number of the form; it grows when a reader of an older one would be misled. */
const VERSION = 1;

/** What `--format json` prints and the page shows. Devices are told once; changes name them by their position. */
export interface FleetFacts {
  readonly version: typeof VERSION;
  readonly exit: ExitName;
  readonly uri: string;
  readonly before: TreeFacts | null;
  readonly after: TreeFacts;
  /** Files of the tree folder: what came, went and changed. */
  readonly files: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
  readonly counts: {
    readonly devices: number;
    readonly changed: number;
    readonly unchanged: number;
    readonly broken: number;
    readonly mended: number;
  };
  readonly devices: readonly DeviceFactsOf[];
  readonly changes: readonly ChangeFacts[];
  readonly invalid: readonly InvalidFacts[];
  /** Hours of the roll-out, and how many devices have had their turn after so many of them. */
  readonly rollout: {
    readonly hours: number | "hold";
    readonly steps: readonly { readonly hour: number; readonly devices: number }[];
  } | null;
}

interface TreeFacts {
  readonly tree: string | null;
  readonly serial: number | null;
  readonly date: string | null;
  readonly expires: string | null;
  readonly files: number;
  readonly keys: readonly string[];
  readonly images: readonly string[];
  readonly trust: { readonly verdict: "accepted" | "refused" | "unknown"; readonly error?: Record<string, unknown> };
}

interface DeviceFactsOf {
  readonly name: string;
  readonly mac?: string;
  readonly serial?: string;
  readonly board?: string;
  readonly model?: string;
  /** Columns of the admin's, `site` among them. */
  readonly macros: Readonly<Record<string, string>>;
  readonly line: number;
  readonly turn?: string;
}

interface ChangeFacts {
  readonly group: string;
  readonly subject: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly devices: readonly number[];
}

interface InvalidFacts {
  readonly code: string;
  readonly message: string;
  readonly error: ReturnType<typeof errorFacts>;
  /** `broken`: it was right before; `still`: it was wrong before, too. */
  readonly since: "broken" | "still";
  readonly devices: readonly number[];
}

export function fleetFacts(fleet: FleetPlan, exit: ExitName): FleetFacts {
  const { rows, differences, before, after } = fleet;
  return {
    version: VERSION,
    exit,
    uri: redactUri(fleet.source.base.text),
    before: before ? treeFacts(before) : null,
    after: treeFacts(after),
    files: fileChanges(before, after),
    counts: {
      devices: rows.length,
      changed: rows.filter(({ isChanged }) => isChanged).length,
      unchanged: rows.filter(({ isChanged, failedAfter }) => !isChanged && failedAfter === undefined).length,
      broken: rows.filter(isBroken).length,
      mended: rows.filter(({ failedBefore, failedAfter }) => failedBefore && !failedAfter).length,
    },
    devices: rows.map(deviceFacts),
    changes: differences.map(({ group, subject, before: was, after: is, rows: devices }) => ({
      group,
      subject,
      before: was ?? null,
      after: is ?? null,
      devices,
    })),
    invalid: invalidOf(rows),
    rollout: rolloutOf(fleet),
  };
}

function isBroken({ failedBefore, failedAfter }: FleetRow): boolean {
  return failedAfter !== undefined && failedBefore === undefined;
}

function treeFacts({ manifest, refusal, isUnjudged, folder }: PaperTree): TreeFacts {
  const verdict = refusal === undefined ? "accepted" : isUnjudged ? "unknown" : "refused";
  return {
    tree: manifest?.tree ?? null,
    serial: manifest?.serial ?? null,
    date: manifest?.date === undefined ? null : printInstant(manifest.date),
    expires: manifest?.expires === undefined ? null : printInstant(manifest.expires),
    files: folder.names.size,
    keys: (manifest?.keys ?? []).map(({ act, fingerprint }) => `${act} ${fingerprint}`),
    images: (manifest?.images ?? []).map(({ path, target, revision }) => `${path} ${target} ${revision}`),
    trust: { verdict, ...(refusal === undefined ? {} : { error: errorFacts(refusal) }) },
  };
}

const OURS = /^MANIFEST(?:\.sig(?:\.[0-9a-f]{16})?)?$/;

function fileChanges(before: PaperTree | undefined, after: PaperTree): FleetFacts["files"] {
  const was = [...(before?.folder.names ?? [])].filter((name) => !OURS.test(name));
  const is = [...after.folder.names].filter((name) => !OURS.test(name));
  const digest = (tree: PaperTree | undefined, name: string) => tree?.folder.file(name)?.sha256;
  return {
    added: is.filter((name) => before?.folder.names.has(name) !== true).sort(),
    removed: was.filter((name) => !after.folder.names.has(name)).sort(),
    changed: was.filter((name) => after.folder.names.has(name) && digest(before, name) !== digest(after, name)).sort(),
  };
}

function deviceFacts({ known, name, turn }: FleetRow): DeviceFactsOf {
  const { mac, serial, board, model } = known.facts;
  return {
    name,
    ...(mac === undefined ? {} : { mac }),
    ...(serial === undefined ? {} : { serial }),
    ...(board === undefined ? {} : { board }),
    ...(model === undefined ? {} : { model }),
    macros: known.macros,
    line: known.line,
    ...(turn?.at === undefined ? {} : { turn: printInstant(turn.at) }),
  };
}

function invalidOf(rows: readonly FleetRow[]): readonly InvalidFacts[] {
  const found = new Map<string, { error: ProvisionError; since: InvalidFacts["since"]; devices: number[] }>();
  for (const [at, row] of rows.entries()) {
    const error = row.failedAfter;
    if (error === undefined) continue;
    const since = isBroken(row) ? "broken" : "still";
    const key = `${since} ${error.code} ${error.message} ${JSON.stringify(error.findings)}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, { error, since, devices: [at] });
    else known.devices.push(at);
  }
  return [...found.values()]
    .map(({ error, since, devices }) => ({
      code: error.code,
      message: error.message,
      error: errorFacts(error),
      since,
      devices,
    }))
    .sort((a, b) => b.devices.length - a.devices.length);
}

const HOUR = 3_600_000;

function rolloutOf({ rows, after }: FleetPlan): FleetFacts["rollout"] {
  const { rollout, date } = after.manifest ?? {};
  if (rollout === "hold") return { hours: "hold", steps: [] };
  const turns = rows.flatMap(({ turn }) => (turn === undefined ? [] : [turn]));
  const most = Math.max(0, ...new Set(turns.map(({ hours }) => (hours === "hold" ? 0 : hours))));
  if (date === undefined || most === 0) return null;
  const hours = [...new Set([0, 1, 6, most / 4, most / 2, (most * 3) / 4, most].map((hour) => Math.round(hour)))];
  const steps = hours
    .filter((hour) => hour <= most)
    .sort((a, b) => a - b)
    .map((hour) => ({ hour, devices: turns.filter(({ at }) => at === undefined || at <= date + hour * HOUR).length }));
  return { hours: most, steps };
}
