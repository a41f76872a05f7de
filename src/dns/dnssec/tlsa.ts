import { type DnsName, formatName, lowerName, parseName, sameName } from "../name.ts";
import { readTlsa, type Tlsa } from "../rdata.ts";
import { TYPE } from "../types.ts";
import { nearestAnchors } from "./anchors.ts";
import { type ValidateHow, validator } from "./validate.ts";

/** What a zone says of the keys of one server. */
export type ServerKeys =
  | {
      readonly kind: "records";
      /** Whose records they are: the server's name, or where its aliases end. */
      readonly name: string;
      readonly records: readonly Tlsa[];
      /** The zone of the trust anchor under which they were proven; `.` is the root. */
      readonly anchor: string;
    }
  /** It is proven that there are none, or that the zone is not signed. */
  | { readonly kind: "none"; readonly why: string };

/**
 * The TLSA records of a server (RFC 6698 §3), at the end of the aliases of its name if these are proven, else at the name itself (RFC 7671 §7). A name
 * that is in no signed zone is not asked about (RFC 7672 §2.2.2: its servers may not know the type). Errors as `validate`.
 */
export async function serverKeys(host: string, port: number, how: ValidateHow): Promise<ServerKeys> {
  const name = parseName(host);
  if (!name) return { kind: "none", why: `${host} is no domain name` };
  const prove = validator(how);
  const address = await prove({ name, type: TYPE.A });
  if (address.kind === "no-name") return { kind: "none", why: `${host} does not exist` };

  const isAlias = !sameName(address.name, name);
  if (address.kind === "insecure" && !isAlias) return { kind: "none", why: address.why };
  let why = "";
  for (const base of isAlias && address.kind !== "insecure" ? [address.name, name] : [name]) {
    const asked = serviceName(base, port);
    if (!asked) continue;
    const found = await prove({ name: asked, type: TYPE.TLSA });
    if (found.kind === "records") {
      return {
        kind: "records",
        name: spoken(base),
        records: found.records.flatMap(({ rdata }) => readTlsa(rdata) ?? []),
        anchor: anchorAbove(asked, how),
      };
    }
    why = found.kind === "insecure" ? found.why : `${spoken(asked)} has none`;
  }
  return { kind: "none", why };
}

/** `_443._tcp.HOST`; undefined if that is too long to be a name. */
function serviceName(base: DnsName, port: number): DnsName | undefined {
  const labels = [`_${port}`, "_tcp"].map((label) => Uint8Array.from(Buffer.from(label)));
  return parseName(formatName([...labels, ...base]));
}

function anchorAbove(name: DnsName, { anchors }: ValidateHow): string {
  return spoken(nearestAnchors(anchors, name)[0]?.zone ?? []);
}

function spoken(name: DnsName): string {
  return formatName(lowerName(name));
}
