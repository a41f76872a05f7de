/** What `uciprov guard` is told to do: /etc/beesip/guard.json, which the security module writes; docs/guard.md has it by member. */
import { ProvisionError } from "../errors.ts";
import { parseUri } from "../uri.ts";
import { type Address, type Network, parseAddress, parseNetwork } from "./address.ts";

export const GUARD_FILE = "/etc/beesip/guard.json";

/** Bytes; a thousand networks take a third of it. */
export const LONGEST_GUARD_FILE = 65_536;

const KINDS = ["kamailio", "asterisk", "snort3", "eve"] as const;
export type Kind = (typeof KINDS)[number];

/** Where somebody tells of attackers. */
export interface Source {
  readonly kind: Kind;
  /** The system's log, or a file. */
  readonly from: { readonly syslog: true } | { readonly path: string };
  /** So many events of one address within so many seconds are an attack. */
  readonly after: number;
  readonly within: number;
}

export interface Guard {
  /** The nft table of family inet that holds `ban4` and `ban6`. */
  readonly table: string;
  /** Whether anybody is banned at all; else it is only told who would be. */
  readonly applies: boolean;
  readonly sources: readonly Source[];
  readonly allow: readonly Network[];
  readonly own: readonly Address[];
  readonly ban: Ban;
  readonly mail: string | undefined;
  readonly uri: string | undefined;
}

export interface Ban {
  /** Of the first ban; of the longest. */
  readonly seconds: number;
  readonly max: number;
  /** By how much each further ban of the same address is longer. */
  readonly factor: number;
  readonly perMinute: number;
  /** Whether addresses that no internet route carries are banned, too. */
  readonly private: boolean;
}

const LIMITS = { sources: 16, allow: 1024, own: 256 } as const;
/** PATH_MAX, about. Absolute, no empty, `.` or `..` segment, no control character. */
const LONGEST_PATH = 1024;
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\u0000-\u001f\u007f]+)+$/;
/** A week: nobody has an address for much longer. */
const LONGEST_BAN = 604_800;
/** How long one address is told of once where nobody is banned. */
const QUIET = 120;
/** Kamailio and the rules of an IDS count by themselves; Asterisk tells of every single mistyped password. */
const AFTER: Readonly<Record<Kind, number>> = { kamailio: 1, asterisk: 5, snort3: 1, eve: 1 };

/**
 * Reads the file's text, strictly: an unknown member, one of another kind or out of its bounds is GUARD_INVALID with its name, since a guard that
 * guesses bans the wrong ones. What is not there has its default.
 */
export function parseGuard(text: string): Guard {
  if (Buffer.byteLength(text) > LONGEST_GUARD_FILE) throw invalid("", `is longer than ${LONGEST_GUARD_FILE} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("", "is no JSON", cause);
  }
  const top = members(value, "", ["version", "table", "apply", "sources", "allow", "own", "ban", "report"]);
  if (top["version"] !== 1) throw invalid("version", "is not 1, the only one there is");
  const ban = members(top["ban"] ?? {}, "ban", ["seconds", "max", "factor", "perMinute", "private"]);
  const report = members(top["report"] ?? {}, "report", ["mail", "uri"]);
  const seconds = whole(ban, "ban.seconds", 120, 0, LONGEST_BAN);
  const first = seconds === 0 ? QUIET : seconds;
  return {
    table: tableName(top["table"]),
    applies: flag(top, "apply", true) && seconds > 0,
    sources: list(top, "sources", LIMITS.sources).map(sourceAt),
    allow: list(top, "allow", LIMITS.allow).map(networkAt),
    own: list(top, "own", LIMITS.own).map(ownAt),
    ban: {
      seconds: first,
      max: whole(ban, "ban.max", Math.max(86_400, first), first, LONGEST_BAN),
      factor: whole(ban, "ban.factor", 4, 1, 100),
      perMinute: whole(ban, "ban.perMinute", 60, 1, 6000),
      private: flag(ban, "ban.private", false),
    },
    mail: mailAddress(report["mail"]),
    uri: reportUri(report["uri"]),
  };
}

function sourceAt(value: unknown, at: number): Source {
  const where = `sources[${at}]`;
  const source = members(value, where, ["kind", "from", "path", "after", "within"]);
  const kind = KINDS.find((one) => one === source["kind"]);
  if (kind === undefined) throw invalid(`${where}.kind`, `is none of ${KINDS.join(", ")}`);
  return {
    kind,
    from: fromOf(source, where),
    after: whole(source, `${where}.after`, AFTER[kind], 1, 1000),
    within: whole(source, `${where}.within`, 600, 1, 86_400),
  };
}

function fromOf({ from, path }: Members, where: string): Source["from"] {
  if (from === "syslog") {
    if (path !== undefined) throw invalid(`${where}.path`, "is there, and the log has none");
    return { syslog: true };
  }
  if (from !== "file") throw invalid(`${where}.from`, "is neither syslog nor file");
  if (typeof path === "string" && path.length <= LONGEST_PATH && PATH.test(path)) return { path };
  throw invalid(`${where}.path`, "is no absolute path");
}

function networkAt(value: unknown, at: number): Network {
  const network = typeof value === "string" ? parseNetwork(value) : undefined;
  if (network === undefined) throw invalid(`allow[${at}]`, "is no address or network");
  return network;
}

function ownAt(value: unknown, at: number): Address {
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  if (address === undefined) throw invalid(`own[${at}]`, "is no address");
  return address;
}

/** As nft takes a name without quotes (nftables: src/scanner.l, `string`), and short. */
function tableName(value: unknown = "beesip"): string {
  if (typeof value === "string" && /^[a-z][a-z0-9_]{0,31}$/.test(value)) return value;
  throw invalid("table", "is not up to 32 small letters, digits and `_`");
}

/** An address that stands in a header as it is (RFC 5322 §3.4.1, dot-atom only). */
function mailAddress(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const isMail =
    typeof value === "string" &&
    value.length <= 254 &&
    /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/.test(
      value,
    ) &&
    !value.startsWith("-");
  if (!isMail) throw invalid("report.mail", "is no mail address");
  return value;
}

/** Reports tell who attacks whom: over TLS only. */
function reportUri(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw invalid("report.uri", "is no text");
  try {
    const { scheme, text } = parseUri(value, "report.uri");
    if (scheme === "https") return text;
  } catch (cause) {
    throw invalid("report.uri", "is no URI", cause);
  }
  throw invalid("report.uri", "is not https");
}

type Members = Readonly<Record<string, unknown>>;

function members(value: unknown, where: string, known: readonly string[]): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(where, "is no object");
  const all = Object.entries(value);
  const odd = all.map(([name]) => name).find((name) => !known.includes(name));
  if (odd !== undefined) throw invalid(where, `has a member ${JSON.stringify(odd.slice(0, 40))}, which nobody knows`);
  return Object.fromEntries(all);
}

/** `where` is the member's full name; its last part is the one that is looked up. */
function member(from: Members, where: string): unknown {
  return from[where.slice(where.lastIndexOf(".") + 1)];
}

function whole(from: Members, where: string, initial: number, least: number, most: number): number {
  const value = member(from, where) ?? initial;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(where, `is no whole number from ${least} to ${most}`);
}

function flag(from: Members, where: string, initial: boolean): boolean {
  const value = member(from, where) ?? initial;
  if (typeof value === "boolean") return value;
  throw invalid(where, "is neither true nor false");
}

function list(from: Members, where: string, most: number): readonly unknown[] {
  const value = member(from, where) ?? [];
  if (!Array.isArray(value)) throw invalid(where, "is no list");
  if (value.length > most) throw invalid(where, `has more than ${most} entries`);
  return value;
}

function invalid(member: string, reason: string, cause?: unknown): ProvisionError {
  return new ProvisionError("GUARD_INVALID", member === "" ? `it ${reason}` : `${member} ${reason}`, {
    cause,
    place: { file: GUARD_FILE, ...(member === "" ? {} : { option: member }) },
  });
}
