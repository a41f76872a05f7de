/** A web server of a tree that does, for some of its files, whatever a scenario wants of it. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import type { Issued } from "../../src/admin/certificates.ts";

export type Bend = (request: IncomingMessage, response: ServerResponse) => void;

export interface AskedFor {
  /** Below the tree: `MANIFEST`. */
  readonly name: string;
  readonly status: number;
}

export interface BentWeb {
  readonly port: number;
  /** Where the tree is; no slash at its end. */
  readonly uri: string;
  /** Answers that were finished, oldest first. */
  readonly asked: AskedFor[];
  /** That are open. */
  connections(): Promise<number>;
  /** From now on this file is answered so; `*` is every file without an answer of its own. */
  bend(name: string, answer: Bend): void;
  /** How this file is answered honestly, for a bend that does so at times. */
  honest(name: string): Bend;
  /** All files are served honestly again. */
  straighten(): void;
  close(): Promise<void>;
}

/** Serves `folder` at /tree and at the root, with TLS if there is an identity; `host` is the name in the URI. */
export async function serveBent(folder: string, identity?: Issued, host = "127.0.0.1", port = 0): Promise<BentWeb> {
  const bends = new Map<string, Bend>();
  const asked: AskedFor[] = [];
  const act = (request: IncomingMessage, response: ServerResponse): void => {
    const name = decodeURIComponent((request.url ?? "").replace(/^\/(?:tree\/)?/, ""));
    response.on("finish", () => asked.push({ name, status: response.statusCode }));
    (bends.get(name) ?? bends.get("*") ?? honest(folder, name))(request, response);
  };
  const server = identity ? createServer(identity, act) : createPlainServer(act);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port: bound,
    uri: `${identity ? "https" : "http"}://${host}:${bound}/tree`,
    asked,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    bend: (name, answer) => void bends.set(name, answer),
    honest: (name) => honest(folder, name),
    straighten: () => bends.clear(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function honest(folder: string, name: string): Bend {
  return (request, response) => {
    const file = join(folder, name);
    if (name.includes("..") || !existsSync(file)) return answer(404, {}, "not here\n")(request, response);
    const body = readFileSync(file);
    const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304, { etag }).end();
    return answer(200, { etag }, body)(request, response);
  };
}

/** A whole answer. */
export function answer(status: number, fields: Record<string, string> = {}, body: string | Uint8Array = ""): Bend {
  return (_, response) =>
    void response.writeHead(status, { "content-length": Buffer.byteLength(body), ...fields }).end(body);
}

/** Sends the reader elsewhere. */
export function redirect(location: string): Bend {
  return answer(302, { location });
}

/** Promises more bytes than `sent`, and goes silent: for ever, or by closing the connection. */
export function stopsAfter(sent: string | Uint8Array, promised: number, then: "silence" | "close"): Bend {
  return (_, response) => {
    response.writeHead(200, { "content-length": promised });
    response.write(sent, () => then === "close" && response.destroy());
    if (then === "silence") return;
  };
}
