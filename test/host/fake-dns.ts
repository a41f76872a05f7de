import { createSocket, type Socket as Datagrams } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
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
  const { datagrams, listener } = await bound(address);
  const sockets = new Set<Socket>();
  const udp: Message[] = [];
  const tcp: Message[] = [];
  let isOpen = true;

  const { port } = datagrams.address();

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

/** One port for both; a free one of the one kind may be taken for the other, by a test that runs beside this. */
async function bound(address: string): Promise<{ datagrams: Datagrams; listener: Server }> {
  for (let tries = 0; ; tries++) {
    const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
    datagrams.bind(0, address);
    await once(datagrams, "listening");
    const listener = createServer();
    try {
      listener.listen(datagrams.address().port, address);
      await once(listener, "listening");
      return { datagrams, listener };
    } catch (thrown) {
      datagrams.close();
      if (tries === 20) throw thrown;
    }
  }
}

export function toBytes(reply: Message | Uint8Array): Uint8Array {
  return reply instanceof Uint8Array ? reply : encodeMessage(reply);
}

export function frame(bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(length);
  return Buffer.concat([head, bytes]);
}
