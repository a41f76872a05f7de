/** Whom Kamailio knows: extensions by all their numbers, with their passwords' digests, and where gateways call from. */
import { createHash } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import { address, type Cfg, cfg } from "../_kamailio-cfg.ts";
import type { Exchange } from "./exchange.ts";
import { prefixTable } from "./kamailio-gateways.ts";
import type { Table } from "./kamailio-table.ts";
import { ownForms, ownPrefix } from "./numbers.ts";

/** Whether Kamailio sends calls to gateways, and not Asterisk. */
export function sendsItself({ pbx, trunks }: Exchange): boolean {
  return pbx.role === "proxy" && trunks.length > 0;
}

/** `secret/NUMBER`: the password's digest and how many phones may log in with it; `alias/FORM`: the number. */
export function extensionTable(exchange: Exchange): Table {
  const { extensions, domain } = exchange;
  const secrets = extensions.map(({ number, secret, contacts }) => {
    const ha1 = createHash("md5").update(`${number}:${domain}:${secret}`).digest("hex");
    return [`secret/${number}`, `${ha1}/${contacts}`] as const;
  });
  return {
    name: "extension",
    entries: [...secrets, ...extensions.flatMap(({ number }) => aliasesOf(exchange, number))],
  };
}

/** The tables that stand in Kamailio's configuration itself. */
export function tablesOf(exchange: Exchange): readonly Table[] {
  return [
    ...(exchange.hasTableFile ? [] : [extensionTable(exchange)]),
    {
      name: "source",
      entries: sourcesOf(exchange)
        .filter(isPlainAddress)
        .map((one) => [one, "1"] as const),
    },
    ...(sendsItself(exchange) ? [prefixTable(exchange)] : []),
  ];
}

function aliasesOf({ pbx }: Exchange, number: string): readonly (readonly [string, string])[] {
  const own = ownPrefix(pbx);
  const forms = own === undefined ? [] : [...ownForms(pbx, number), `${own.slice(1)}${number}`];
  return [...new Set(forms)].map((form) => [`alias/${form}`, number] as const);
}

/** Where gateways call from. */
function sourcesOf({ gateways }: Exchange): readonly string[] {
  const all = gateways.flatMap(({ match, host }) => (match.length > 0 ? match : isIP(host) === 0 ? [] : [host]));
  return [...new Set(all.map((one) => one.replace(/^([0-9.]+)\/32$/, "$1")))];
}

/** Kamailio writes IPv6 addresses in a way of its own, so that these are compared as addresses, like networks. */
function isPlainAddress(source: string): boolean {
  return isIPv4(source);
}

export function gatewayConditions(exchange: Exchange): readonly Cfg[] {
  return sourcesOf(exchange)
    .filter((one) => !isPlainAddress(one))
    .map(
      (one) => cfg`	if (src_ip==${address(one)}) {
		$var(is_gateway) = 1;
	}`,
    );
}
