import { defineResolver, type ResolverContext, template } from "../src/api.ts";
import { type LeaseRecord, leaseUri, readLease } from "./_dhcp-options.ts";
import { plainText, quoted } from "./_text.ts";

/** Where the drop-ins of udhcpc and odhcp6c put what servers said; one file an interface and protocol, `wan.v4`. */
const FOLDER = "/var/run/uciprov/dhcp";
const MAX_RECORDS = 32;
const MAX_RECORD = 64 * 1024;
const MAX_VALUE = 255;

/** Variables of udhcpc and, in capitals, of odhcp6c that become macros, and the macros' names; of several domains or servers the first. */
const MACROS = [
  ["hostname", "dhcp_hostname"],
  ["domain", "dhcp_domain"],
  ["serverid", "dhcp_server"],
  ["bootfile", "dhcp_bootfile"],
  ["DOMAINS", "dhcp_domain"],
  ["SERVER", "dhcp_server"],
] as const;

/** The URI in an option of a DHCP lease: whoever is on the cable can send one, so it proves nothing. */
export default defineResolver({
  name: "dhcp",
  evidence: "none",
  deadline: 5000,
  isEnabled: ({ settings }) => settings.dhcp.enabled,
  async resolve(context) {
    for (const { name, lease } of leases(context)) {
      const found = leaseUri(lease);
      if (!found) {
        context.log("info", `dhcp: the lease of ${name} names no http or https URI`);
        continue;
      }
      context.log("debug", `dhcp: ${found.option} of ${name} says ${quoted(found.uri)}`);
      return {
        uri: template(found.uri),
        evidence: "none",
        macros: leaseMacros(lease),
        told: `${found.option} of ${name}`,
      };
    }
    return undefined;
  },
});

/** The records of the interfaces in the settings, in that order; of all, by name, if there are none. DHCPv4 stands before DHCPv6. */
function leases({ files, settings, log }: ResolverContext): { name: string; lease: LeaseRecord }[] {
  const wanted = settings.dhcp.interface;
  const recorded = files.list(FOLDER).filter((name) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.v[46]$/.test(name));
  const names =
    wanted.length === 0 ? recorded : wanted.flatMap((one) => recorded.filter((name) => name.slice(0, -3) === one));
  if (names.length === 0) log("info", "dhcp: no lease is recorded");
  return names.slice(0, MAX_RECORDS).flatMap((file) => {
    const bytes = files.readBytes(`${FOLDER}/${file}`, MAX_RECORD);
    // It may have gone since the folder was read: an interface went down.
    return bytes ? [{ name: file.slice(0, -3), lease: readLease(bytes) }] : [];
  });
}

function leaseMacros(lease: LeaseRecord): Record<string, string> {
  const macros = MACROS.flatMap(([variable, macro]) => {
    const bytes = lease.get(variable);
    const first = variable === variable.toUpperCase() ? bytes?.subarray(0, indexOrEnd(bytes, 0x20)) : bytes;
    const text = first && first.length <= MAX_VALUE ? plainText(first) : undefined;
    // Debian's udhcpc replaces a value that is no host name by this word.
    return text === undefined || text === "" || text === "bad" ? [] : [[macro, text] as const];
  });
  return Object.fromEntries(macros);
}

function indexOrEnd(bytes: Uint8Array, byte: number): number {
  const at = bytes.indexOf(byte);
  return at < 0 ? bytes.length : at;
}
