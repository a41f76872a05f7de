/**
 * Writing a file of zabbix_agentd: lines of `Key=value`. Only this file puts the text together, and it refuses what a line cannot hold: the reader knows no
 * quotes and no escapes, a value goes to the line's end and loses the blanks around it (zabbix/zabbix: src/libs/zbxconf/cfg.c).
 */
import { ProvisionError } from "../../src/api.ts";

export type Parameter = readonly [name: string, value: string];

/** The reader's buffer (MAX_STRING_LEN of Zabbix 6.0), less some room. */
const LONGEST_LINE = 2000;

/** PLAN_INVALID for what the format cannot hold. */
export function printAgentConf(parameters: readonly Parameter[]): string {
  return parameters.map(([name, value]) => `${plainWord(name)}=${confValue(value)}\n`).join("");
}

function confValue(value: string): string {
  if (/[\u0000-\u001f\u007f]/.test(value)) throw unfit("a control character");
  if (value === "") throw unfit("an empty value");
  if (value !== value.trim()) throw unfit("a space at its end");
  if (Buffer.byteLength(value) > LONGEST_LINE) throw unfit(`more than ${LONGEST_LINE} bytes`);
  return value;
}

/** Names in a comma-separated list; a comma in one would make it two. */
export function commaList(values: readonly string[]): string {
  if (values.some((one) => one.includes(",") || one === "")) throw unfit("a comma in a list");
  return values.join(",");
}

/**
 * A key of our own that prints a file. The key has no `[*]`: nothing that a server sends reaches the command, so `UnsafeUserParameters` can stay 0;
 * and `$` needs no doubling. The path is put together of our own names. Without the file the item is not supported, as the server knows by that word.
 */
export function fileParameter(key: string, path: string): Parameter {
  if (!/^[a-z0-9._]+$/.test(key) || !/^\/[A-Za-z0-9._/-]+$/.test(path)) throw unfit(`the key ${JSON.stringify(key)}`);
  return ["UserParameter", `${key},cat ${path} 2>/dev/null || echo ZBX_NOTSUPPORTED`];
}

function plainWord(word: string): string {
  if (!/^[A-Za-z]+$/.test(word)) throw unfit(`the name ${JSON.stringify(word)}`);
  return word;
}

function unfit(what: string): ProvisionError {
  return new ProvisionError("PLAN_INVALID", `zabbix_agentd's configuration cannot hold ${what}`);
}
