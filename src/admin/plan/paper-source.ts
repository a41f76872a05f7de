import type { Evidence, Resolver } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { template } from "../../macros.ts";
import { plugins } from "../../registry.ts";
import { getUri, type Source } from "../../stages/geturi.ts";

/** Where a tree is taken to be served if nobody says: a name that no server will ever have (RFC 6761). */
export const NOWHERE = "https://tree.invalid/";

/**
 * Where the device will find the tree, by its own code: its static setting, if it has one; else `base`, as whoever its settings make it ask (dnssec, https, else
 * plain DNS) would answer.
 */
export async function paperSource(ctx: RunContext, device: Device, base: string): Promise<Source> {
  const fixed = plugins.resolvers.filter(({ name }) => name === "static");
  const asked = answering(device, base);
  const resolver = [...fixed.map(({ name }) => name), asked.name];
  const settings = { ...device.settings, main: { ...device.settings.main, resolver } };
  return getUri(ctx, { ...device, settings }, [...fixed, asked], undefined);
}

function answering({ settings }: Device, base: string): Resolver {
  const [name, evidence]: [string, Evidence["evidence"]] =
    settings.dnssec.name !== undefined
      ? ["dnssec", "dnssec"]
      : settings.https.uri !== undefined
        ? ["https", "tls"]
        : ["dns", "none"];
  const uri = template(base);
  return {
    name,
    evidence,
    deadline: 1000,
    isEnabled: () => true,
    resolve: async () => ({ uri, evidence, told: "taken for granted on paper" }),
  };
}
