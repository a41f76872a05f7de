import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { encodeMessage, type Message, parseMessage } from "../../src/dns/message.ts";

export interface Asked {
  readonly query: Message;
  /** Counts queries over this transport, from 1. */
  readonly count: number;
  readonly from: { readonly address: string; readonly port: number };
  /** Sends a message or raw bytes to whoever asked: a datagram, or a frame with its length. */
  send(reply: Message | Uint8Array): void;
}

export interface AskedTcp extends Asked {
  /** For what is no well-formed frame. */
  readonly socket: Socket;
}

export interface FakeDns {
  readonly port: number;
  /** `address#port`, as settings write it. */
  readonly server: string;
  readonly udp: readonly Message[];
  readonly tcp: readonly Message[];
  close(): Promise<void>;
}

/** A name server that says exactly what the test wants, over UDP and TCP on one port. */
export async function fakeDns(
  onUdp: (asked: Asked) => void,
  onTcp: (asked: AskedTcp) => void = ({ socket }) => socket.destroy(),
  address = "127.0.0.1",
): Promise<FakeDns> {
  const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
  const listener = createServer();
  const sockets = new Set<Socket>();
  const udp: Message[] = [];
  const tcp: Message[] = [];
  let isOpen = true;

  datagrams.bind(0, address);
  await once(datagrams, "listening");
  const { port } = datagrams.address();
  listener.listen(port, address);
  await once(listener, "listening");

  datagrams.on("message", (bytes, from) => {
    const query = parseMessage(bytes);
    udp.push(query);
    onUdp({
      query,
      count: udp.length,
      from,
      send: (reply) => isOpen && datagrams.send(toBytes(reply), from.port, from.address),
    });
  });
  listener.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let got = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const query = parseMessage(got.subarray(2, 2 + got.readUInt16BE(0)));
      got = Buffer.alloc(0);
      tcp.push(query);
      const from = { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
      onTcp({ query, count: tcp.length, from, socket, send: (reply) => socket.write(frame(toBytes(reply))) });
    });
  });

  return {
    port,
    server: `${address}#${port}`,
    udp,
    tcp,
    async close() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
      datagrams.close();
      listener.close();
      await once(listener, "close");
    },
  };
}

export function toBytes(reply: Message | Uint8Array): Uint8Array {
  return reply instanceof Uint8Array ? reply : encodeMessage(reply);
}

export function frame(bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(length);
  return Buffer.concat([head, bytes]);
}
