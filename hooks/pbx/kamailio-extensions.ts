/**
 * The extensions as a table in a file of its own, which Kamailio reads anew while it runs (its modules db_text and htable): one that changes costs nobody his
 * login. `/etc/init.d/beesip-kamailio reload` asks for it, and compares the version that Kamailio then has with the file's.
 */
import { createHash } from "node:crypto";
import { type Cfg, cfg } from "../_kamailio-cfg.ts";
import type { Exchange } from "./exchange.ts";
import { extensionTable } from "./kamailio-known.ts";
import { plain } from "./kamailio-table.ts";

export const EXTENSIONS = "/etc/kamailio/beesip-extensions";
/** The init script that comes with uciprov. */
export const RELOADER = "beesip-kamailio";

/** The size is the same for few and many, since another one would be another configuration: 2^10 slots. */
export function extensionParams(): Cfg {
  return cfg`modparam("db_text", "db_mode", 1)
modparam("htable", "db_url", "text:///etc/kamailio")
modparam("htable", "htable", "extension=>size=10;dbtable=beesip-extensions;cols='name,value'")
`;
}

/** What db_text neither takes for the end of a column (`:`) nor for an escape. */
const IN_A_COLUMN = /^[A-Za-z0-9+./]+$/;

/** The version stands last: a file that was cut, even between two lines, has none. */
export function extensionFile(exchange: Exchange): string {
  const rows = extensionTable(exchange).entries.map(
    ([key, value]) => `${plain(key, IN_A_COLUMN)}:${plain(value, IN_A_COLUMN)}\n`,
  );
  const text = `name(string) value(string)\n${rows.join("")}`;
  return `${text}version:${createHash("sha256").update(text).digest("hex")}\n`;
}
