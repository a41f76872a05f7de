/** The collector, as a probe speaks to it: HTTPS, each proving itself by a certificate. `docs/probe.md` has the protocol. */
import type { Http, ProbeConfig } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { Settings } from "../settings.ts";
import { parseUri, redactUri } from "../uri.ts";
import { PLAN_BYTES } from "./plan.ts";
import { bytesFor } from "./wav.ts";

/** A recording over a thin uplink takes its time; nothing is answered before it is there whole. */
const SECONDS = { head: 120, total: 300 } as const;
/** Longest sound of a plan. */
export const SOUND = { seconds: 60 } as const;

/** uciprov's own settings for HTTPS, with the probe's certificate, and its authorities if it has its own. */
export function collectorSettings(settings: Settings, config: ProbeConfig, shows: boolean): Settings {
  const { main, limits } = settings;
  return {
    ...settings,
    main: {
      ...main,
      ...(config.ca === undefined ? {} : { ca: [config.ca], pin: [], system_ca: false }),
      client_cert: shows ? config.cert : undefined,
      client_key: shows ? config.key : undefined,
    },
    limits: { ...limits, header_seconds: SECONDS.head, total_seconds: SECONDS.total },
  };
}

export interface Collector {
  /** Tells the collector of us. */
  enrol(): Promise<void>;
  /** The plan's text; undefined: the collector does not know us yet. */
  plan(): Promise<{ readonly text: string; readonly uri: string } | undefined>;
  sound(name: string): Promise<Uint8Array>;
  /** Sends a part of a round; `taken` it has it now, `refused` it never will. What may pass is thrown. */
  put(path: string, body: Uint8Array, contentType: string): Promise<"taken" | "refused">;
}

export function openCollector(
  http: Http,
  server: string,
  about: Pick<ProbeConfig, "name" | "port">,
  signal: AbortSignal,
): Collector {
  const base = parseUri(server, "the collector").text.replace(/\/+$/, "");
  const send = async (
    path: string,
    body: Uint8Array,
    more: { method?: "PUT"; contentType?: string; headers?: Record<string, string> },
  ) => {
    if (http.post === undefined) throw new ProvisionError("INTERNAL", "nothing may leave here");
    const uri = `${base}${path}`;
    const { status, retryAfter } = await http.post({ uri, body, signal, ...more });
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      const facts = retryAfter === undefined ? {} : { retryAfter };
      throw new ProvisionError("HTTP_UNAVAILABLE", `${redactUri(uri)} answered with status ${status}`, facts);
    }
    if (status === 401 || status === 403) {
      throw new ProvisionError(
        "HTTP_REFUSED",
        `${redactUri(uri)} does not accept this probe's certificate: status ${status}`,
      );
    }
    return { status, uri };
  };
  const get = async (path: string, limit: number) => http.get({ uri: `${base}${path}`, limit, signal });
  return {
    async enrol() {
      const body = Buffer.from(JSON.stringify({ version: 1, name: about.name, port: about.port }));
      const { status, uri } = await send("/probes", body, {});
      if (status < 200 || status > 299) {
        throw new ProvisionError("HTTP_REFUSED", `${redactUri(uri)} does not take this probe: status ${status}`);
      }
    },
    async plan() {
      const answer = await get("/probes/self/plan", PLAN_BYTES);
      if (answer.kind !== "body") return undefined;
      return { text: Buffer.from(answer.bytes).toString("utf8"), uri: answer.uri };
    },
    async sound(name) {
      const answer = await get(`/samples/${name}.wav`, bytesFor(SOUND));
      if (answer.kind === "body") return answer.bytes;
      throw new ProvisionError("HTTP_NOT_FOUND", `the collector has no sound ${name}`);
    },
    async put(path, body, contentType) {
      const digest = process.getBuiltinModule("node:crypto").createHash("sha256").update(body).digest("base64");
      // RFC 9530 §2: of just these bytes.
      const headers = { "content-digest": `sha-256=:${digest}:` };
      const { status, uri } = await send(path, body, { method: "PUT", contentType, headers });
      if (status === 404)
        throw new ProvisionError("HTTP_NOT_FOUND", `${redactUri(uri)}: the collector does not know this probe`);
      return status >= 200 && status <= 299 ? "taken" : "refused";
    },
  };
}
