/** Writing Kamailio's configuration: what is placed in its text is a literal of a checked kind, so that no value can become code. */
import { isIPv6 } from "node:net";
import { ProvisionError } from "../src/api.ts";

/** Text of the configuration that is safe as it stands. */
export interface Cfg {
  readonly cfg: string;
}

export const NOTHING: Cfg = { cfg: "" };

/** Text of ours, with pieces that are literals, or text of ours in turn. */
export function cfg(strings: TemplateStringsArray, ...pieces: readonly (Cfg | readonly Cfg[])[]): Cfg {
  const texts = pieces.map((piece) => ("cfg" in piece ? piece.cfg : piece.map((one) => one.cfg).join("\n")));
  return { cfg: strings.map((text, at) => `${text}${texts[at] ?? ""}`).join("") };
}

/** A string in double quotes (kamailio/kamailio: src/core/cfg.lex): a quote and a backslash are escaped, controls refused. */
export function quoted(text: string): Cfg {
  if (/[\u0000-\u001f\u007f]/.test(text)) throw unfit("a control character");
  return { cfg: `"${text.replace(/[\\"]/g, "\\$&")}"` };
}

export function int(value: number): Cfg {
  if (!Number.isInteger(value)) throw unfit(`${value} as a number`);
  return { cfg: String(value) };
}

/** An address or network, as conditions and sockets have it. */
export function address(text: string): Cfg {
  if (!/^[0-9A-Fa-f:.]+(?:\/[0-9]+)?$/.test(text)) throw unfit(`${JSON.stringify(text)} as an address`);
  const [host = "", bits] = text.split("/");
  const plain = isIPv6(host) ? `[${host}]` : host;
  return { cfg: bits === undefined ? plain : `${plain}/${bits}` };
}

/** Digits and `+`, as keys of tables and beginnings of regular expressions; `+` is escaped in these. */
export function digits(text: string): Cfg {
  if (!/^\+?[0-9]+$/.test(text)) throw unfit(`${JSON.stringify(text)} as a number`);
  return { cfg: text };
}

export function inRegex(text: string): Cfg {
  return { cfg: digits(text).cfg.replace("+", "\\+") };
}

/** A host's name or address as URIs have it. */
export function hostInUri(host: string): Cfg {
  if (isIPv6(host)) return { cfg: `[${host}]` };
  if (!/^[A-Za-z0-9.-]+$/.test(host)) throw unfit(`${JSON.stringify(host)} as a host`);
  return { cfg: host };
}

function unfit(what: string): ProvisionError {
  return new ProvisionError("PLAN_INVALID", `Kamailio's configuration cannot hold ${what}`);
}
