/**
 * One line of a log → who attacked, and why it is thought so. Much of a line is the attacker's own text: what is read here is only what stands
 * where no such text reaches (docs/guard.md tells what the programs let through). Nothing here throws.
 */
import { type Address, parseAddress } from "./address.ts";
import { readEve, readSnort } from "./alert-json.ts";
import type { Kind } from "./guard-file.ts";

/** Somebody is told of. */
export interface Sighting {
  readonly address: Address;
  /** A word of ours or of the rule's: `pike`, `InvalidPassword`, `1:1000001`. */
  readonly reason: string;
  /** What the rule calls it. */
  readonly note?: string;
  /**
   * Said by process `pid`, a child of `parent`, and by nothing else that could be checked: such a line came over a pipe, where the attacker's text
   * can make lines.
   */
  readonly claim?: { readonly pid: number; readonly parent: number };
}

/** `odd`: looks like ours and is not whole. `unclear`: an alert that does not say which side is at fault. Undefined: about something else. */
export type Reading = Sighting | "odd" | "unclear" | undefined;

/** What each line of a kind that matters holds, so that all others are passed over as bytes; for logread's basic regular expressions, too. */
export const MARK: Readonly<Record<Kind, string>> = {
  kamailio: "ban src=",
  asterisk: 'RemoteAddress="',
  snort3: '"src_a',
  eve: '"alert"',
};

/**
 * Longer lines are dropped, characters: an alert may carry a payload, the others carry little. Asterisk cuts its lines at BUFSIZ, 8192 bytes, without a
 * line feed: a cut one and what follows it must not be read as one.
 */
export const LONGEST_LINE: Readonly<Record<Kind, number>> = {
  kamailio: 4096,
  asterisk: 4096,
  snort3: 65_536,
  eve: 65_536,
};

export function readLine(kind: Kind, line: string, isSyslog: boolean): Reading {
  if (line.length > LONGEST_LINE[kind]) return "odd";
  if (kind === "kamailio") return readKamailio(line, isSyslog);
  if (kind === "asterisk") return readAsterisk(line, isSyslog);
  const json = isSyslog ? SAID_BY_IDS.exec(LOGREAD.exec(line)?.[2] ?? "")?.[1] : line;
  if (json === undefined) return "odd";
  return kind === "eve" ? readEve(json) : readSnort(json);
}

/** `logread`: ctime(3), perhaps a stamp, FACILITY.SEVERITY, the message (openwrt/ubox: log/logread.c). */
const LOGREAD =
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4} (?:\[[0-9.]+\] )?[a-z0-9]+\.([a-z]+) (.*)$/s;
/** A syslog daemon's file: date, host, the message. */
const SYSLOG_FILE = /^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]+) [^ ]+ (.*)$/s;
const SAID_BY_IDS = /^(?:suricata|snort)(?:\[[0-9]+\])?: (\{.*)$/s;
const SAID_BY_KAMAILIO = /^(?:\/[\w./-]*\/)?kamailio\[([0-9]{1,10})\]: (.*)$/s;
const BAN = /^[A-Z]+: <script>: ban src=\[?([0-9A-Fa-f:.]{2,45})\]? reason=([A-Za-z0-9_-]{1,32})(?: |$)/;
const WORKER = /^ *[0-9]{1,6}\(([0-9]{1,10})\) (.*)$/s;

/**
 * Kamailio's `xlog("L_ALERT", "ban src=$si reason=WORD …")`. Over syslog a message is one line, whatever is in it. Where Kamailio writes to standard
 * error and procd hands that to the log (severity `err`, OpenWrt 24.10), a packet with line feeds makes lines that look the same but for the worker's
 * process id, so that is checked.
 */
function readKamailio(line: string, isSyslog: boolean): Reading {
  const prefix = isSyslog ? LOGREAD.exec(line) : SYSLOG_FILE.exec(line);
  const severity = isSyslog ? prefix?.[1] : undefined;
  const [, parent, message = ""] = SAID_BY_KAMAILIO.exec(prefix?.[isSyslog ? 2 : 1] ?? "") ?? [];
  const [, pid, text = ""] = (severity === "err" && WORKER.exec(message)) || [];
  const [, source = "", reason] = BAN.exec(severity === "err" ? text : message) ?? [];
  const address = parseAddress(source);
  if (parent === undefined || address === undefined || reason === undefined) return "odd";
  if (severity !== "err") return { address, reason };
  return { address, reason, claim: { pid: Number(pid), parent: Number(parent) } };
}

/** Where Asterisk speaks itself: in a file of its own, and in the system's log (asterisk/asterisk: main/logger.c). */
const SAID_BY_ASTERISK = {
  file: /^\[[^\]"]{1,60}\] SECURITY\[[0-9]+\](?:\[C-[0-9a-f]+\])? res_security_log\.c: (.*)$/s,
  syslog: /^asterisk\[[0-9]+\]: SECURITY\[[0-9]+\](?:\[C-[0-9a-f]+\])?: res_security_log\.c:[0-9]+ in \w+: (.*)$/s,
} as const;
/** What stands before anything of the attacker's. */
const SECURITY_EVENT = /^SecurityEvent="([A-Za-z]+)",EventTV="[^"]*",Severity="[^"]*",Service="([^"]*)",/;
/**
 * How a line ends: both addresses, together longer than the 36 characters that an unknown account may have (AST_UUID_STR_LEN in asterisk/asterisk:
 * res/res_pjsip/pjsip_distributor.c), then members without a quote that has no backslash before it.
 */
const ADDRESS = String.raw`IPV[46]\/[A-Z]{2,4}\/([0-9A-Fa-f:.]+)\/[0-9]{1,5}`;
const LAST_PART = new RegExp(
  String.raw`^,LocalAddress="${ADDRESS}",RemoteAddress="${ADDRESS}"(?:,[A-Za-z]+="(?:[^"\\]|\\.)*")*\s*$`,
  "s",
);
const REMOTE = ',RemoteAddress="';
const BAD_EVENTS: readonly string[] = ["FailedACL", "InvalidAccountID", "InvalidPassword", "ChallengeResponseFailed"];
/** logd cuts a message at 1023 bytes (openwrt/ubox: log/syslog.h), priority and date among them: one that may be cut has no end to be believed. */
const WHOLE_IN_SYSLOG = 990;

/**
 * Asterisk's security log. AccountID and SessionID are the attacker's, with quotes, commas and line feeds as he sent them [seen with 22.10], and stand before
 * RemoteAddress; what stands behind it holds no bare quote where the service is PJSIP. So the last RemoteAddress is Asterisk's own, but where an account
 * name with a line feed ends the line: such a name has no room for both addresses. In a file, a line without a beginning is the rest of one whose account
 * name has a line feed: only names that nobody has do.
 */
function readAsterisk(line: string, isSyslog: boolean): Reading {
  const logged = isSyslog ? LOGREAD.exec(line)?.[2] : line;
  const said = SAID_BY_ASTERISK[isSyslog ? "syslog" : "file"].exec(logged ?? "")?.[1];
  if (isSyslog && (said === undefined || Buffer.byteLength(logged ?? "") > WHOLE_IN_SYSLOG)) return "odd";
  const [, event, service] = SECURITY_EVENT.exec(said ?? "") ?? [];
  if (event !== undefined && !BAD_EVENTS.includes(event)) return undefined;
  const isOne = line.indexOf(REMOTE) === line.lastIndexOf(REMOTE);
  if (service !== undefined && service !== "PJSIP" && !isOne) return "odd";
  const at = line.lastIndexOf(',LocalAddress="');
  const address = parseAddress(LAST_PART.exec(at < 0 ? "" : line.slice(at))?.[2] ?? "");
  if (address === undefined) return "odd";
  if (event !== undefined) return { address, reason: event };
  return said === undefined && line.includes('",SessionID="') ? { address, reason: "InvalidAccountID" } : "odd";
}
