import type { Clock, Files, Log } from "../api.ts";
import type { ServerKeys } from "../dns/dnssec/tlsa.ts";
import { ProvisionError } from "../errors.ts";
import { deviceNameServers } from "../name-servers.ts";
import type { Settings } from "../settings.ts";
import { exchange } from "./dns-exchange.ts";
import { readServers } from "./dns-server.ts";

/** Asks for the TLSA records of a server, proven on this device; undefined if the settings do not want that. */
export type AskServerKeys = (host: string, port: number, signal: AbortSignal) => Promise<ServerKeys>;

/**
 * TLSA by the settings of section `dnssec`. Every answer but a proven one is an error, since silence would be an attacker's way around the records:
 * DNSSEC_BOGUS, CLOCK_WRONG, DNS_FAILED, DNS_TIMEOUT.
 */
export function openTlsa(
  { dns, dnssec }: Settings,
  device: { readonly files: Files; readonly clock: Clock; readonly log: Log; readonly isClockPlausible: () => boolean },
): AskServerKeys | undefined {
  if (!dnssec.tlsa) return undefined;
  return async (host, port, signal) => {
    const { files, clock, log } = device;
    if (!device.isClockPlausible()) throw new ProvisionError("CLOCK_WRONG", "no signature can be judged by this clock");
    const texts = dnssec.server.length > 0 ? dnssec.server : deviceNameServers(files);
    if (texts.length === 0) throw new ProvisionError("DNS_FAILED", "the device has no name server yet");
    const servers = readServers(texts, dns.port);
    const end = clock.elapsed() + dnssec.timeout * 1000;
    // Loaded for whom TLSA is configured.
    const { readAnchors, serverKeys, withRoot } = await import("../dns/dnssec/chain.ts");
    return serverKeys(host, port, {
      ask: (question) =>
        exchange(question, { servers, signal, log, dnssec: true, deadline: Math.max(1, end - clock.elapsed()) }),
      anchors: withRoot(readAnchors(dnssec.anchor)),
      now: Math.floor(clock.now() / 1000),
    });
  };
}
