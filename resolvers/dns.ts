import {
  defineResolver,
  deviceNameServers,
  type Evidence,
  expandText,
  ProvisionError,
  type ResolverContext,
  template,
} from "../src/api.ts";
import { readTxtWords } from "./_txt.ts";

/** Letters, digits, hyphens and underscores between dots: what `{domain}` must be before a name is made of it. */
const PLAIN_NAME = /^(?=.{1,240}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;

/** `provuri=` in TXT records of the device's own domain, as anybody on the path may answer them: no proof at all. */
export default defineResolver({
  name: "dns",
  evidence: "none",
  // The setting dns.timeout bounds the queries; this only has to lie above it.
  deadline: 310_000,
  isEnabled: ({ settings }) => settings.dns.enabled,
  async resolve(context) {
    const servers =
      context.settings.dns.server.length > 0 ? context.settings.dns.server : deviceNameServers(context.files);
    if (servers.length === 0) throw new ProvisionError("DNS_FAILED", "the device has no name server yet");

    const end = context.clock.elapsed() + context.settings.dns.timeout * 1000;
    for (const name of namesToAsk(context)) {
      const answer = await ask(name, servers, Math.max(1, end - context.clock.elapsed()), context);
      if (answer) return answer;
    }
    return undefined;
  },
});

/** The configured name alone, or else the two that a domain's owner may publish. */
function namesToAsk(context: ResolverContext): string[] {
  const validated = expanded(context.settings.dnssec.name, context);
  const configured = expanded(context.settings.dns.name, context);
  const names = configured === undefined ? domainNames(context) : [configured];
  return names.filter((name) => {
    if (validated === undefined || bare(name) !== bare(validated)) return true;
    // Else whoever suppresses the proven answer could give an unproven one in its place.
    context.log("info", `dns: ${name} is left to dnssec`);
    return false;
  });
}

function domainNames({ macros, log }: ResolverContext): string[] {
  const domain = macros.has("domain") ? expandText(template("{domain}"), macros).text : "";
  if (domain === "") {
    log("info", "dns: no name is configured, and the device knows no domain");
    return [];
  }
  if (!PLAIN_NAME.test(domain)) {
    log("warning", `dns: ${JSON.stringify(domain)} is no domain; nobody is asked`);
    return [];
  }
  return [`_uciprov.${domain}`, `uciprov.${domain}`];
}

function expanded(name: string | undefined, { macros }: ResolverContext): string | undefined {
  return name === undefined ? undefined : expandText(template(name), macros).text;
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

async function ask(
  name: string,
  servers: readonly string[],
  deadline: number,
  { dns, settings, log, signal }: ResolverContext,
): Promise<Evidence | undefined> {
  const answer = await dns.txt(name, { servers, port: settings.dns.port, deadline, signal });
  if (answer.kind !== "records") {
    log("info", `dns: ${name} ${answer.kind === "no-name" ? "does not exist" : "has no TXT record"}`);
    return undefined;
  }
  const { uri, serial, macros, remarks } = readTxtWords(answer.records);
  for (const remark of remarks) log("warning", `dns: TXT of ${name}: ${remark}; passed over`);
  if (uri === undefined) {
    log("info", `dns: TXT of ${name} has no provuri`);
    return undefined;
  }
  return {
    uri: template(uri),
    evidence: "none",
    macros,
    ...(serial === undefined ? {} : { beacon: serial }),
    told: `TXT of ${answer.name}`,
  };
}
