import {
  defineResolver,
  deviceNameServers,
  expandText,
  ProvisionError,
  type ResolverContext,
  template,
} from "../src/api.ts";
import { readTxtWords } from "./_txt.ts";

/** The TXT record of a name in the settings, proven on this device: who answers DNS, DHCP or the cable cannot change it. */
export default defineResolver({
  name: "dnssec",
  evidence: "dnssec",
  // The setting dnssec.timeout bounds the queries; this only has to lie above it.
  deadline: 310_000,
  isEnabled: ({ settings }) => settings.dnssec.name !== undefined,
  async resolve(context) {
    const { dns, settings, macros, log, signal, clock } = context;
    if (settings.dnssec.name === undefined) return undefined;
    const asked = expandText(template(settings.dnssec.name), macros);
    refuseEarlyClock(context);

    const answer = await dns.secureTxt(asked.text, {
      servers: serversOf(context),
      port: settings.dns.port,
      deadline: settings.dnssec.timeout * 1000,
      signal,
      anchors: settings.dnssec.anchor,
      now: clock.now(),
    });
    if (answer.kind === "insecure") {
      throw new ProvisionError("DNSSEC_UNSIGNED", `${asked.text} cannot be proven: ${answer.why}`);
    }
    if (answer.kind !== "records") {
      log(
        "info",
        `dnssec: ${asked.text} ${answer.kind === "no-name" ? "does not exist" : "has no TXT record"}; that is proven`,
      );
      return undefined;
    }
    const { uri, serial, macros: taught, remarks } = readTxtWords(answer.records);
    for (const remark of remarks) log("warning", `dnssec: TXT of ${asked.text}: ${remark}; passed over`);
    if (uri === undefined) {
      log("info", `dnssec: TXT of ${asked.text} has no provuri`);
      return undefined;
    }
    return {
      uri: template(uri),
      // Who could choose the name could choose one of their own, signed as well as ours.
      evidence: asked.isTainted ? "none" : "dnssec",
      macros: taught,
      ...(serial === undefined ? {} : { beacon: serial }),
      told: `proven TXT of ${answer.name}`,
    };
  },
});

/** A clock before the firmware was built is wrong, and would believe signatures that ended long ago. */
function refuseEarlyClock({ clock, facts }: ResolverContext): void {
  if (facts.built === undefined || clock.now() >= facts.built * 1000) return;
  throw new ProvisionError("CLOCK_WRONG", "the clock stands before the firmware was built");
}

function serversOf({ settings, files }: ResolverContext): readonly string[] {
  const servers = settings.dnssec.server.length > 0 ? settings.dnssec.server : deviceNameServers(files);
  if (servers.length === 0) throw new ProvisionError("DNS_FAILED", "the device has no name server yet");
  return servers;
}
