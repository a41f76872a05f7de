/**
 * Tables of numbers in Kamailio's memory. Written as statements, a thousand entries would not fit into the few megabytes that OpenWrt gives each of its
 * processes for the configuration; as texts of many entries, which it takes apart as it starts, they do.
 */

import { ProvisionError } from "../../src/api.ts";
import { type Cfg, cfg, int, quoted } from "../_kamailio-cfg.ts";

/** A key and what stands for it: letters, digits, `+`, `.`, `/` and `:`. */
export interface Table {
  readonly name: "extension" | "prefix" | "source";
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/** Kamailio leaves a loop after 100 rounds (`max_while_loops`). */
const IN_A_TEXT = 60;

export function tableParams(tables: readonly Table[]): readonly Cfg[] {
  return tables.map(({ name, entries }) => {
    // Slots, as a power of two: not fewer than a quarter of the entries.
    const size = Math.min(14, Math.max(4, Math.ceil(Math.log2(entries.length / 4 + 1))));
    return cfg`modparam("htable", "htable", ${quoted(`${name}=>size=${size};`)})`;
  });
}

/** To stand in `event_route[htable:mod-init]`. */
export function tableLoads(tables: readonly Table[]): readonly Cfg[] {
  // A route must not be empty, as it would be where nobody is known: a honeypot's.
  if (tables.every(({ entries }) => entries.length === 0)) return [cfg`	$var(list) = "";`];
  return tables.flatMap(({ name, entries }) =>
    chunks(entries.map(([key, value]) => `${plain(key)}=${plain(value)}`)).map(
      (texts) => cfg`	$var(list) = ${quoted(texts.join(";"))};
	route(${{ cfg: loader(name) }});`,
    ),
  );
}

export function tableRoutes(tables: readonly Table[]): readonly Cfg[] {
  return tables.map(
    ({ name }) => cfg`route[${{ cfg: loader(name) }}] {
	$var(at) = 0;
	$var(entry) = $(var(list){s.select,0,;});
	while ($var(entry) != "" && $var(at) < ${int(IN_A_TEXT)}) {
		$var(key) = $(var(entry){s.select,0,=});
		$sht(${{ cfg: name }}=>$var(key)) = $(var(entry){s.select,1,=});
		$var(at) = $var(at) + 1;
		$var(entry) = $(var(list){s.select,$var(at),;});
	}
}
`,
  );
}

function loader(name: Table["name"]): string {
  return `LOAD_${name.toUpperCase()}`;
}

function chunks(texts: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(texts.length / IN_A_TEXT);
  return Array.from({ length: count }, (_, at) => texts.slice(at * IN_A_TEXT, (at + 1) * IN_A_TEXT));
}

/** A text that can be no more than itself where these signs mean nothing; anything else is a mistake of ours, which no file is made of. */
export function plain(text: string, signs = /^[A-Za-z0-9+./:]+$/): string {
  if (signs.test(text)) return text;
  throw new ProvisionError("PLAN_INVALID", `a table of Kamailio's cannot hold ${JSON.stringify(text)}`);
}
