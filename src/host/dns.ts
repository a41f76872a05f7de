import type { Dns, Log, TxtAnswer } from "../api.ts";
import { findRecords } from "../dns/answer.ts";
import { formatName, lowerName, parseName } from "../dns/name.ts";
import { readTxt } from "../dns/rdata.ts";
import { TYPE } from "../dns/types.ts";
import { ProvisionError } from "../errors.ts";
import { exchange } from "./dns-exchange.ts";
import { readServers } from "./dns-server.ts";

/** DNS over the network. Each look-up has its own sockets, closed when it ends; nothing is kept or cached. */
export function openDns(how: { readonly log: Log }): Dns {
  return {
    async txt(text, { servers, port, deadline, signal }): Promise<TxtAnswer> {
      const name = parseName(text);
      if (!name) throw new ProvisionError("SETTINGS_INVALID", `${JSON.stringify(text)} is no domain name`);
      const asked = readServers(servers, port);
      const message = await exchange({ name, type: TYPE.TXT }, { servers: asked, deadline, signal, log: how.log });
      const found = findRecords(message, name, TYPE.TXT);
      // Servers repeat our random letter case; a name that is told or compared must not change with it.
      const owner = formatName(lowerName(found.name));
      if (found.kind !== "records") return { kind: found.kind, name: owner };
      return {
        kind: "records",
        records: found.records.map(({ rdata }) => readTxt(rdata)),
        name: owner,
        ttl: found.ttl,
      };
    },
  };
}
