/** Servers that answer with exactly the bytes a test wants, and a client with short deadlines to ask them. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import type { Clock, Disk, Http, HttpAnswer, HttpRequest } from "../../src/api.ts";
import { clock } from "../../src/host/clock.ts";
import { openDisk } from "../../src/host/disk.ts";
import { type HttpSettings, openHttp } from "../../src/host/http.ts";
import type { AskServerKeys } from "../../src/host/tlsa.ts";

export interface AskedHead {
  readonly path: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Which of the connections that could be used it came over, from 0. */
  readonly connection: number;
}

export interface RawServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` or `https://localhost:PORT`. */
  readonly origin: string;
  readonly asked: readonly AskedHead[];
  /** Connections open now, and opened in all, even if TLS came to nothing. */
  readonly open: () => number;
  readonly opened: () => number;
  /** From now on it closes every connection beyond so many. */
  takeAtMost(count: number): void;
  /** Closes those that have asked nothing yet. */
  closeIdle(): void;
  close(): Promise<void>;
}

type Answering = (socket: Socket, asked: AskedHead, index: number) => void;

/** A server on loopback that hands each request's head to `answer`, which writes to the socket what it likes. */
export async function rawServer(answer: Answering, tls?: TlsOptions): Promise<RawServer> {
  const asked: AskedHead[] = [];
  const sockets = new Set<Socket>();
  const silent = new Set<Socket>();
  let opened = 0;
  let used = 0;
  const onSocket = (socket: Socket) => {
    const connection = used++;
    let text = "";
    sockets.add(socket);
    silent.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    socket.on("data", (chunk) => {
      silent.delete(socket);
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const head = { ...parseHead(text.slice(0, end)), connection };
        text = text.slice(end + 4);
        asked.push(head);
        answer(socket, head, asked.length - 1);
      }
    });
  };
  const server: Server = tls
    ? createTlsServer(tls, onSocket).on("tlsClientError", () => undefined)
    : createServer(onSocket);
  server.on("connection", () => opened++);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    origin: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    asked,
    open: () => sockets.size,
    opened: () => opened,
    takeAtMost(count) {
      server.maxConnections = count;
    },
    closeIdle() {
      for (const socket of silent) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

/** The text of an answer: status, fields, body with its length stated unless the fields state one, or another framing. */
export function answerText(status: number, fields: Readonly<Record<string, string>> = {}, body = ""): string {
  const names = Object.keys(fields).map((name) => name.toLowerCase());
  const isFramed = names.includes("content-length") || names.includes("transfer-encoding") || status === 304;
  const all = isFramed ? fields : { ...fields, "Content-Length": String(Buffer.byteLength(body, "latin1")) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join("")}\r\n${body}`;
}

/** An answer for every request alike. */
export function always(...answer: Parameters<typeof answerText>): Answering {
  return (socket) => void socket.write(answerText(...answer), "latin1");
}

export interface TestClient extends Required<Omit<Http, "prepare">> {
  readonly disk: Disk;
  /** `get` with a limit of 1 MB and no signal unless `more` says so. */
  fetch(uri: string, more?: Partial<HttpRequest>): Promise<HttpAnswer>;
}

/** A client on a scratch root; `close` removes both. */
export function testClient(
  settings: Partial<HttpSettings> = {},
  isClockPlausible = true,
  serverKeys?: AskServerKeys,
  time: Clock = clock,
): TestClient {
  const root = mkdtempSync(join(tmpdir(), "uciprov-http-"));
  mkdirSync(join(root, "tmp"));
  const disk = openDisk(root);
  const http = openHttp({ settings: { ...SHORT, ...settings }, serverKeys }, disk, time, () => isClockPlausible);
  return {
    disk,
    get: (request) => http.get(request),
    post: (letter) => http.post(letter),
    expect: (uri, requests) => http.expect(uri, requests),
    fetch: (uri, more = {}) => http.get({ uri, limit: 1_000_000, signal: NEVER, ...more }),
    async close() {
      await http.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A clock by which every server is 20 ms away: loopback is near. */
export function farClock(): Clock {
  let asked = 0;
  return { ...clock, elapsed: () => 20 * asked++ };
}

const NEVER = new AbortController().signal;

const SHORT: HttpSettings = {
  ca: [],
  pins: [],
  useSystemCa: false,
  connectSeconds: 2,
  headerSeconds: 0.4,
  bodyIdleSeconds: 0.4,
  totalSeconds: 5,
  maxRedirects: 5,
  userAgent: "uciprov-test",
};

function parseHead(text: string): { path: string; fields: Record<string, string> } {
  const [first = "", ...lines] = text.split("\r\n");
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { path: first.split(" ")[1] ?? "", fields: Object.fromEntries(fields) };
}
