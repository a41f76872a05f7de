import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Issued } from "./certificates.ts";

/** One request a device made. */
export interface Served {
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  /** The address it came from. */
  readonly client: string;
}

/** A static tree over HTTPS, as any web server would serve it: ETags, 304, 404, and parts of a file, one range at a time. */
export interface TreeServer {
  readonly port: number;
  readonly served: readonly Served[];
  close(): Promise<void>;
}

/** Serves what lies below `folder` with this certificate, on a free port of `address` unless one is given. */
export async function serveTree(
  folder: string,
  identity: Issued,
  address = "127.0.0.1",
  port = 0,
  onServed: (one: Served) => void = () => undefined,
  post?: (request: IncomingMessage, client: string) => Promise<number | undefined>,
): Promise<TreeServer> {
  const served: Served[] = [];
  const server = createServer(identity, (request, response) => {
    answer(folder, request, response, post).then(
      (one) => {
        served.push(one);
        onServed(one);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  return {
    port: portOf(server.address()),
    served,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function answer(
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
  post: Parameters<typeof serveTree>[5],
): Promise<Served> {
  const path = decoded(request.url ?? "/");
  const client = (request.socket.remoteAddress ?? "?").replace(/^::ffff:/, "");
  const end = (status: number, body: Uint8Array, etag?: string, more: Record<string, string> = {}): Served => {
    response.writeHead(status, {
      ...(etag === undefined ? {} : { etag, "accept-ranges": "bytes" }),
      ...more,
      ...(status === 304 ? {} : { "content-length": body.length, "content-type": "application/octet-stream" }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return { path: path ?? "?", status, bytes: status === 304 ? 0 : body.length, client };
  };
  const taken = request.method === "POST" ? await post?.(request, client) : undefined;
  if (taken !== undefined) return end(taken, new Uint8Array());
  if (request.method !== "GET" && request.method !== "HEAD") return end(405, new Uint8Array());
  const body = path === undefined ? undefined : await readBelow(folder, path);
  if (body === undefined) return end(404, Buffer.from("not here\n"));
  const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
  if (request.headers["if-none-match"] === etag) return end(304, new Uint8Array(), etag);
  const part = askedPart(request, etag, body.length);
  if (part === undefined) return end(200, body, etag);
  const { first, last } = part;
  const range = { "content-range": `bytes ${first}-${last}/${body.length}` };
  return end(206, body.subarray(first, last + 1), etag, range);
}

/**
 * The one range that is asked for, cut to what there is; undefined where the whole file is the answer: no range, several, one of another version (`If-Range`), or one that
 * this server does not know. RFC 9110 §14.2 lets a server leave any range aside, one past the end as well.
 */
function askedPart({ method, headers }: IncomingMessage, etag: string, size: number) {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(headers.range ?? "") ?? [];
  const ifRange = headers["if-range"];
  if (method !== "GET" || from === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const first = Number(from);
  const last = to ? Math.min(Number(to), size - 1) : size - 1;
  return first > last ? undefined : { first, last };
}

/** The path of the request, its escapes resolved; undefined if no file below the folder can be meant. */
function decoded(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.split("?")[0] ?? "");
    return path.includes("\0") || path.split("/").includes("..") ? undefined : path;
  } catch {
    return undefined;
  }
}

async function readBelow(folder: string, path: string): Promise<Uint8Array | undefined> {
  const file = join(folder, path);
  try {
    return (await stat(file)).isFile() ? await readFile(file) : undefined;
  } catch {
    return undefined;
  }
}
