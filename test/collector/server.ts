/** The collector's side of `docs/probe.md`: HTTPS, and nobody without a certificate of its authority. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { isId, type Plan } from "../../src/probe/plan.ts";
import { type Judging, makeMatrix } from "./matrix.ts";
import { drawPage } from "./page.ts";
import { isResult, parseProbe, type Store } from "./store.ts";

export interface CollectorSettings {
  readonly cert: string;
  readonly key: string;
  /** Authority of the probes' certificates. */
  readonly ca: string;
  readonly plan: Pick<Plan, "period" | "sample" | "codec">;
  readonly judging: Judging;
  /** The sound by the plan's name, if it is not the one that every probe can make. */
  readonly sound: Uint8Array;
}

const MOST_BYTES = 2 << 20;
const PLACE = /^\/rounds\/([0-9]{10,16})\/([a-z0-9][a-z0-9-]{0,31})\.(wav|json)$/;

type Answer = readonly [status: number, body?: string | Uint8Array, type?: string];

export function collector(store: Store, settings: CollectorSettings, log: (line: string) => void) {
  const { cert, key, ca } = settings;
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    void answer(store, settings, request)
      .catch((): Answer => [500, "something went wrong\n"])
      .then(([status, body = "", type = "text/plain"]) => {
        log(`${probeOf(request) ?? "?"} ${request.method} ${request.url} ${status}`);
        send(response, status, body, type);
      });
  });
  server.on("tlsClientError", () => undefined);
  return server;
}

function send(response: ServerResponse, status: number, body: string | Uint8Array, type: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body);
}

/** The name in its certificate, which is all that it is known by. */
function probeOf({ socket }: IncomingMessage): string | undefined {
  const name: unknown = (socket as TLSSocket).getPeerCertificate().subject?.CN;
  return isId(name) ? name : undefined;
}

async function answer(store: Store, settings: CollectorSettings, request: IncomingMessage): Promise<Answer> {
  const probe = probeOf(request);
  if (probe === undefined) return [403, "your certificate names no probe\n"];
  const { method, url = "" } = request;
  const isKnown = store.probes().some(({ id }) => id === probe);
  if (method === "POST" && url === "/probes") {
    const body = await bodyOf(request, 4096);
    const host = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    const parsed = body && parseProbe(body.toString(), probe, host);
    if (!parsed) return [400, "that is no probe\n"];
    store.enrol(parsed);
    return [201, "welcome\n"];
  }
  if (method === "GET" && url === "/matrix.json") {
    return [200, JSON.stringify(await makeMatrix(store, settings.judging)), "application/json"];
  }
  if (method === "GET" && url === "/")
    return [200, drawPage(await makeMatrix(store, settings.judging)), "text/html; charset=utf-8"];
  if (!isKnown) return [404, "who are you?\n"];
  if (method === "GET" && url === "/probes/self/plan")
    return [200, JSON.stringify(planFor(store, settings, probe)), "application/json"];
  if (method === "GET" && url === `/samples/${settings.plan.sample}.wav`) return [200, settings.sound, "audio/wav"];
  const [, round, partner, kind] = PLACE.exec(url) ?? [];
  if (method !== "PUT" || round === undefined || partner === undefined) return [405, "not here\n"];
  return keep(store, request, { probe, round, partner, isResult: kind === "json" });
}

/** Everybody else; a mesh. */
function planFor(store: Store, { plan }: CollectorSettings, probe: string): unknown {
  const partners = store.probes().filter(({ id }) => id !== probe);
  return { version: 1, ...plan, partners: partners.map((one) => ({ ...one, transport: "udp" })) };
}

async function keep(
  store: Store,
  request: IncomingMessage,
  about: { readonly probe: string; readonly round: string; readonly partner: string; readonly isResult: boolean },
): Promise<Answer> {
  const body = await bodyOf(request, MOST_BYTES);
  if (body === undefined) return [413, "too large\n"];
  const digest = createHash("sha256").update(body).digest("base64");
  if (request.headers["content-digest"] !== `sha-256=:${digest}:`) return [400, "another digest\n"];
  if (about.isResult && !isResult(body.toString(), about.round, about.partner)) return [422, "that is no result\n"];
  const name = `${about.round}.${about.partner}.${about.isResult ? "json" : "wav"}`;
  return KEPT[store.keep(about.probe, name, body)];
}

const KEPT = { new: [201], same: [200], conflict: [409, "something else is there\n"] } as const satisfies Record<
  string,
  Answer
>;

/** Undefined if there is more than is allowed; nothing is kept of that. */
async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
