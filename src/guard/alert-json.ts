/** Alerts of intrusion detection as JSON lines: Snort3's `alert_json`, suricata's `eve.json`. */
import { parseAddress } from "./address.ts";
import type { Reading } from "./log-lines.ts";
import { membersOf } from "./members.ts";

/** No alert comes near; JSON.parse itself takes any. */
const DEEPEST = 16;
const LONGEST_NOTE = 160;

/** `{ "dir" : "C2S", "src_addr" : …, "gid" : 1, "sid" : 1000001, … }`; with Snort's own defaults `src_ap` is ADDRESS:PORT and `rule` GID:SID:REV. */
export function readSnort(line: string): Reading {
  const alert = objectOf(line);
  if (alert === undefined) return "odd";
  const { dir, src_addr, src_ap, gid, sid, rule, msg } = alert;
  if (dir === "S2C") return "unclear";
  const source = typeof src_addr === "string" ? src_addr : typeof src_ap === "string" ? withoutPort(src_ap) : "";
  const named = typeof rule === "string" ? /^([0-9]{1,10}:[0-9]{1,10})(?::|$)/.exec(rule)?.[1] : undefined;
  return sighting(source, named ?? ruleOf(gid, sid), msg);
}

/** `{"event_type":"alert","src_ip":…,"direction":"to_server","alert":{"gid":1,"signature_id":…,"signature":"…"},…}`; the file holds other events, too. */
export function readEve(line: string): Reading {
  const event = objectOf(line);
  if (event === undefined) return "odd";
  if (event["event_type"] !== "alert") return undefined;
  if (event["direction"] === "to_client") return "unclear";
  const { gid, signature_id, signature } = membersOf(event["alert"]) ?? {};
  const source = event["src_ip"];
  return sighting(typeof source === "string" ? source : "", ruleOf(gid, signature_id), signature);
}

function sighting(source: string, reason: string | undefined, note: unknown): Reading {
  const address = parseAddress(source);
  if (address === undefined || reason === undefined) return "odd";
  return { address, reason, ...(typeof note === "string" && note !== "" ? { note: note.slice(0, LONGEST_NOTE) } : {}) };
}

/** ADDRESS:PORT, also where the address is IPv6. */
function withoutPort(text: string): string {
  return text.slice(0, Math.max(0, text.lastIndexOf(":")));
}

function ruleOf(gid: unknown, sid: unknown): string | undefined {
  const isNumber = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return isNumber(gid) && isNumber(sid) ? `${gid}:${sid}` : undefined;
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!isShallow(line)) return undefined;
  try {
    return membersOf(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** Brackets in strings count, too: an alert whose texts hold more open ones than that is no loss. */
function isShallow(line: string): boolean {
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth--;
    if (depth > DEEPEST) return false;
  }
  return true;
}
