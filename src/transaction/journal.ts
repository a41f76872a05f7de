import type { Disk, Files } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { TX } from "./layout.ts";
import type { TreeName } from "./order.ts";
import { replaceFile } from "./replace-file.ts";

const VERSION = "1";
const LIMIT = 16 * 1024;

const STATES = ["prepared", "applying", "trial", "confirmed", "rolling-back", "rolled-back"] as const;

export type JournalState = (typeof STATES)[number];

/** The one file that says what is true of an open transaction; each new version of it is a step that holds or never was. */
export interface Journal {
  readonly id: string;
  readonly state: JournalState;
  /** Why it is or was taken back; empty before. */
  readonly reason: string;
  readonly attempt: number;
  /** Seconds after the trial's begin at which the watcher takes it back. */
  readonly window: number;
  readonly firmware: string;
  /** Whether the next boot leaves the trial in place; falls durably at that boot. */
  readonly rebootAllowed: boolean;
  /** The kernel's boot id of the boot that was let pass; empty before. */
  readonly rebooted: string;
  /** The kernel's boot id when it was prepared. */
  readonly boot: string;
  /** The number it has in the history if it is confirmed. */
  readonly generation: number;
  readonly at: number;
  /** Seconds since `boot` when it was prepared; absent in journals from before it was noted. */
  readonly up?: number;
  readonly packages: readonly string[];
  /** `NAME:ACT`: what is done to services once the old files are back on a device that runs. */
  readonly services: readonly string[];
  readonly tree: TreeName;
  /** What of the tree it does without, in words; empty: nothing. */
  readonly left: string;
}

/** The journal, or undefined if no transaction is open. JOURNAL_INVALID: there is one that we do not understand. */
export function readJournal(files: Files): Journal | undefined {
  const text = files.read(TX.journal, LIMIT);
  return text === undefined ? undefined : parseJournal(text);
}

/** Makes the journal's next state true: new file, flush, rename, flush of the folder. */
export function writeJournal(disk: Disk, journal: Journal): void {
  replaceFile(disk, TX.journal, TX.newJournal, new TextEncoder().encode(printJournal(journal)), { mode: 0o600 });
}

/** `key=value` lines, each key once, closed by `end=1`, that a shell reads without evaluating anything. */
export function printJournal(journal: Journal): string {
  const { tree } = journal;
  const fields: Record<string, string> = {
    version: VERSION,
    id: journal.id,
    state: journal.state,
    reason: oneLine(journal.reason),
    attempt: String(journal.attempt),
    window: String(journal.window),
    firmware: oneLine(journal.firmware),
    "reboot-allowed": journal.rebootAllowed ? "1" : "0",
    rebooted: journal.rebooted,
    boot: journal.boot,
    generation: String(journal.generation),
    at: String(journal.at),
    up: journal.up === undefined ? "" : String(journal.up),
    packages: journal.packages.join(" "),
    services: journal.services.join(" "),
    "tree-uri": oneLine(tree.uri),
    "tree-name": oneLine(tree.name ?? ""),
    "tree-sha256": tree.sha256 ?? "",
    "tree-serial": tree.serial === undefined ? "" : String(tree.serial),
    "tree-successor": oneLine(tree.successor ?? ""),
    "tree-date": tree.date === undefined ? "" : String(tree.date),
    "tree-lab": tree.isLab ? "1" : "",
    left: oneLine(journal.left),
    end: "1",
  };
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

/** Bytes of a text of others: all of them, with the longest lists of packages and services, stay below what readers take. */
const TEXT_LIMIT = 1000;

/** Text of others in one line of bounded length: a reason may quote an error that quotes a tree. */
function oneLine(text: string): string {
  const bytes = Buffer.from(text.replace(/[\u0000-\u001f\u007f]+/g, " "));
  if (bytes.length <= TEXT_LIMIT) return bytes.toString();
  return bytes
    .subarray(0, TEXT_LIMIT)
    .toString()
    .replace(/\ufffd+$/, ""); // half a character
}

export function parseJournal(text: string): Journal {
  const fields = parseFields(text);
  const state = STATES.find((known) => known === field(fields, "state"));
  if (state === undefined) throw invalid(`the state ${field(fields, "state")}`);
  const id = field(fields, "id");
  if (!/^[a-z0-9-]{1,64}$/.test(id)) throw invalid(`the id ${id}`);
  const packages = field(fields, "packages");
  return {
    id,
    state,
    reason: field(fields, "reason"),
    attempt: number(fields, "attempt"),
    window: number(fields, "window"),
    firmware: field(fields, "firmware"),
    rebootAllowed: field(fields, "reboot-allowed") === "1",
    rebooted: field(fields, "rebooted"),
    boot: field(fields, "boot"),
    generation: number(fields, "generation"),
    at: number(fields, "at"),
    ...((fields.get("up") ?? "") === "" ? {} : { up: number(fields, "up") }),
    packages: words(packages, /^[A-Za-z0-9_-]+$/, "packages"),
    services: words(
      fields.get("services") ?? "",
      /^[A-Za-z0-9_][A-Za-z0-9._+-]*:(?:start|stop|reload|restart)$/,
      "services",
    ),
    tree: parseTree(fields),
    left: fields.get("left") ?? "",
  };
}

function parseTree(fields: Fields): TreeName {
  const name = field(fields, "tree-name");
  const sha256 = field(fields, "tree-sha256");
  return {
    uri: field(fields, "tree-uri"),
    ...(name === "" ? {} : { name }),
    ...(sha256 === "" ? {} : { sha256 }),
    ...(field(fields, "tree-serial") === "" ? {} : { serial: number(fields, "tree-serial") }),
    // Absent in journals from before they were noted.
    ...((fields.get("tree-successor") ?? "") === "" ? {} : { successor: field(fields, "tree-successor") }),
    ...((fields.get("tree-date") ?? "") === "" ? {} : { date: number(fields, "tree-date") }),
    ...(fields.get("tree-lab") === "1" ? { isLab: true } : {}),
  };
}

/** What becomes arguments and paths. */
function words(text: string, each: RegExp, key: string): string[] {
  const all = text.split(" ").filter((one) => one !== "");
  if (!all.every((one) => each.test(one))) throw invalid(`the ${key} ${text}`);
  return all;
}

type Fields = ReadonlyMap<string, string>;

function parseFields(text: string): Fields {
  const fields = new Map<string, string>();
  const lines = text.split("\n");
  if (lines.pop() !== "") throw invalid("it does not end with a line");
  for (const line of lines) {
    const [, key, value] = /^([a-z0-9-]{1,32})=([^\u0000-\u001f\u007f]*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw invalid("a line without key and value");
    if (fields.has(key)) throw invalid(`${key} twice`);
    fields.set(key, value);
  }
  if (fields.get("version") !== VERSION) throw invalid(`version ${fields.get("version") ?? "unknown"}`);
  if (!text.endsWith("\nend=1\n")) throw invalid("its end is missing");
  return fields;
}

function field(fields: Fields, key: string): string {
  const value = fields.get(key);
  if (value === undefined) throw invalid(`${key} is missing`);
  return value;
}

function number(fields: Fields, key: string): number {
  const text = field(fields, key);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw invalid(`${key} is no number`);
  return Number(text);
}

function invalid(what: string): ProvisionError {
  return new ProvisionError("JOURNAL_INVALID", `the journal holds what this version does not understand: ${what}`, {
    place: { file: TX.journal },
  });
}
