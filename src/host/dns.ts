import type { Dns, Log, TxtAnswer } from "../api.ts";
import { type Found, findRecords } from "../dns/answer.ts";
import { type DnsName, formatName, lowerName, parseName } from "../dns/name.ts";
import { readTxt } from "../dns/rdata.ts";
import { TYPE } from "../dns/types.ts";
import { ProvisionError } from "../errors.ts";
import { exchange } from "./dns-exchange.ts";
import { readServers } from "./dns-server.ts";

/** DNS over the network. Each look-up has its own sockets, closed when it ends; nothing is kept or cached. */
export function openDns(how: { readonly log: Log }): Dns {
  return {
    async txt(text, { servers, port, deadline, signal }) {
      const name = nameOf(text);
      const asked = readServers(servers, port);
      const message = await exchange({ name, type: TYPE.TXT }, { servers: asked, deadline, signal, log: how.log });
      return txtAnswer(findRecords(message, name, TYPE.TXT));
    },

    async secureTxt(text, { servers, port, deadline, signal, anchors, now }) {
      const name = nameOf(text);
      const common = { servers: readServers(servers, port), signal, log: how.log, dnssec: true };
      const end = performance.now() + deadline;
      // Loaded for whom DNSSEC is configured.
      const { readAnchors, validate, withRoot } = await import("../dns/dnssec/chain.ts");
      const proven = await validate(
        { name, type: TYPE.TXT },
        {
          ask: (question) => exchange(question, { ...common, deadline: Math.max(1, end - performance.now()) }),
          anchors: withRoot(readAnchors(anchors)),
          now: Math.floor(now / 1000),
        },
      );
      return proven.kind === "insecure"
        ? { kind: "insecure", name: spoken(proven.name), why: proven.why }
        : txtAnswer(proven);
    },
  };
}

function nameOf(text: string): DnsName {
  const name = parseName(text);
  if (!name) throw new ProvisionError("SETTINGS_INVALID", `${JSON.stringify(text)} is no domain name`);
  return name;
}

function txtAnswer(found: Found): TxtAnswer {
  const name = spoken(found.name);
  if (found.kind !== "records") return { kind: found.kind, name };
  return { kind: "records", records: found.records.map(({ rdata }) => readTxt(rdata)), name, ttl: found.ttl };
}

/** Servers repeat our random letter case; a name that is told or compared must not change with it. */
function spoken(name: DnsName): string {
  return formatName(lowerName(name));
}
