import { defineResolver, ProvisionError, type ResolverContext, template } from "../src/api.ts";
import type { Neighbour, TlvKind } from "./_neighbours.ts";
import { quoted } from "./_text.ts";

const DEFAULT_OUI = "02754b";
/** Milliseconds between two looks while nobody has been heard; switches speak every 30 s. */
const PAUSE = 2000;
const COMMAND_DEADLINE = 5000;

/** The URI that the switch on the uplink announces: whoever is on the cable can, so it proves nothing. */
export default defineResolver({
  name: "lldp",
  evidence: "none",
  // The setting lldp.timeout bounds the wait; this only has to lie above it.
  deadline: 310_000,
  isEnabled: ({ settings, commands }) => settings.lldp.enabled && commands.has("lldpcli"),
  async resolve(context) {
    for (const [device, neighbours] of await uplinks(context)) {
      const uris = [...new Set(neighbours.flatMap((one) => one.uris))];
      if (uris.length > 1) {
        throw new ProvisionError("URI_AMBIGUOUS", `neighbours on ${device} say ${uris.map(quoted).join(" and ")}`);
      }
      const speaker = neighbours.find((one) => one.uris.length > 0);
      const [uri] = uris;
      if (uri === undefined || speaker === undefined) {
        context.log("info", `lldp: no neighbour on ${device} announces a URI`);
        continue;
      }
      return { uri: template(uri), evidence: "none", macros: speaker.macros, told: `LLDP neighbour on ${device}` };
    }
    return undefined;
  },
});

/** Neighbours by uplink, in the order of the settings; waits until one is heard or the time is over. */
async function uplinks(context: ResolverContext): Promise<[device: string, neighbours: Neighbour[]][]> {
  const { settings, clock, log, signal } = context;
  const tlv = tlvKind(context);
  const end = clock.elapsed() + settings.lldp.timeout * 1000;
  for (;;) {
    const neighbours = await look(context, tlv);
    if (neighbours === undefined) return [];
    const found = settings.lldp.interface
      .map((device): [string, Neighbour[]] => [device, neighbours.filter((one) => one.device === device)])
      .filter(([, heard]) => heard.length > 0);
    if (found.length > 0) return found;
    const left = end - clock.elapsed();
    if (left <= 0) {
      log("info", `lldp: no neighbour on ${settings.lldp.interface.join(", ")}`);
      return [];
    }
    await clock.sleep(Math.min(PAUSE, left), signal);
  }
}

async function look({ commands, signal, log }: ResolverContext, tlv: TlvKind): Promise<Neighbour[] | undefined> {
  const how = { deadline: COMMAND_DEADLINE, signal };
  const { status, stdout } = await commands.run("lldpcli", ["-f", "json0", "show", "neighbors", "details"], how);
  if (status !== 0) {
    log("info", "lldp: lldpd does not answer");
    return undefined;
  }
  // Loaded where lldpd speaks: most devices have none.
  const { readNeighbours } = await import("./_neighbours.ts");
  try {
    return readNeighbours(stdout, tlv);
  } catch (cause) {
    throw new ProvisionError("COMMAND_FAILED", "lldpcli printed no JSON, or too much of it", { cause });
  }
}

function tlvKind({ settings }: ResolverContext): TlvKind {
  const oui = (settings.lldp.oui ?? DEFAULT_OUI).toLowerCase().replaceAll(/[:,-]/g, "");
  if (!/^[0-9a-f]{6}$/.test(oui)) {
    throw new ProvisionError("SETTINGS_INVALID", `lldp.oui is ${JSON.stringify(oui)}, not three bytes in hex`);
  }
  return { oui, subtype: settings.lldp.subtype };
}
