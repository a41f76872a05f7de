/** A Zabbix server's trapper port, as its manual describes the protocol: takes `sender data`, answers as told. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface StandIn {
  readonly port: number;
  /** Each request's body, in the order they came. */
  readonly got: {
    readonly host: string;
    readonly key: string;
    readonly value: string;
    readonly clock: number;
    readonly ns: number;
  }[][];
  close(): Promise<void>;
}

type Answer = (values: number, turn: number) => Uint8Array | string | undefined;

export function taken(processed: number, failed: number): string {
  const info = `processed: ${processed}; failed: ${failed}; total: ${processed + failed}; seconds spent: 0.000055`;
  return JSON.stringify({ response: "success", info });
}

/** A text is framed as a server does it; bytes go out as they are; undefined: silence. */
export async function standIn(answer: Answer = (values) => taken(values, 0), tls?: TlsOptions): Promise<StandIn> {
  const got: StandIn["got"] = [];
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    open.add(socket);
    let bytes = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 13) return;
      if (bytes.toString("latin1", 0, 5) !== "ZBXD\x01" || bytes.readUInt32LE(9) !== 0) return void socket.destroy();
      if (bytes.length < 13 + bytes.readUInt32LE(5)) return;
      const request = JSON.parse(bytes.toString("utf8", 13));
      if (request.request !== "sender data") return void socket.destroy();
      got.push(request.data);
      const said = answer(request.data.length, got.length);
      if (said !== undefined) socket.end(typeof said === "string" ? frame(said) : said);
    });
  };
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  if (tls !== undefined) server.on("tlsClientError", () => undefined);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    got,
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

export function frame(text: string): Buffer {
  const header = Buffer.from("ZBXD\x01\0\0\0\0\0\0\0\0", "latin1");
  header.writeUInt32LE(Buffer.byteLength(text), 5);
  return Buffer.concat([header, Buffer.from(text)]);
}
