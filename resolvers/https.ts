import { defineResolver, expandUri, ProvisionError, type ResolverContext, template } from "../src/api.ts";

/** Bytes of an answer: a URI and little more. */
const MAX_ANSWER = 16 * 1024;

/** A fixed look-up service, which knows each device by what its URI says; TLS proves that it is the one the settings name. */
export default defineResolver({
  name: "https",
  evidence: "tls",
  // The setting https.timeout bounds the request; this only has to lie above it.
  deadline: 310_000,
  isEnabled: ({ settings }) => settings.https.uri !== undefined,
  async resolve(context) {
    const { settings, macros, http, log } = context;
    if (settings.https.uri === undefined) return undefined;
    const asked = expandUri(template(settings.https.uri), macros);
    const { protocol, host } = new URL(asked.text);
    if (protocol !== "https:") {
      throw new ProvisionError("SETTINGS_INVALID", "https.uri does not begin with https://", {
        place: { file: "/etc/config/uciprov", option: "https.uri" },
      });
    }

    const { signal, release } = bounded(context, host);
    const answer = await http
      .get({ uri: asked.text, limit: MAX_ANSWER, signal, headers: identity(context) })
      .finally(release);
    if (answer.kind !== "body") {
      log("info", `https: ${host} knows no such device`);
      return undefined;
    }
    if (answer.transport.scheme !== "https" || answer.transport.proof.kind === "none") {
      throw new ProvisionError("TLS_UNTRUSTED", `${host} did not prove who it is`);
    }
    const { readLookUp } = await import("./_look-up.ts");
    const found = readLookUp(answer.bytes);
    if (!found) {
      log("info", `https: ${host} names no provuri for this device`);
      return undefined;
    }
    return {
      uri: template(found.uri),
      // Who could choose what is asked could choose what is answered: another device's configuration, well proven.
      evidence: asked.isTainted ? "none" : "tls",
      ...(found.serial === undefined ? {} : { beacon: found.serial }),
      told: `look-up service ${host}`,
    };
  },
});

/** The run's signal, and our own time limit with its own reason. */
function bounded({ signal, settings }: ResolverContext, host: string): { signal: AbortSignal; release: () => void } {
  const late = new AbortController();
  const seconds = settings.https.timeout;
  const timer = setTimeout(() => {
    late.abort(new ProvisionError("HTTP_TIMEOUT", `${host} did not answer within ${seconds} s`));
  }, seconds * 1000);
  return { signal: AbortSignal.any([signal, late.signal]), release: () => clearTimeout(timer) };
}

/** The device's own facts as headers, where the admin wants them sent. */
function identity({ settings, facts }: ResolverContext): Record<string, string> {
  if (!settings.https.identity) return {};
  const said = { "uciprov-mac": facts.mac, "uciprov-serial": facts.serial, "uciprov-board": facts.board };
  return Object.fromEntries(
    Object.entries(said).flatMap(([name, value]) =>
      value !== undefined && /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/.test(value) ? [[name, value]] : [],
    ),
  );
}
