import { createSocket, type SocketOptions } from "node:dgram";
import { encodeMessage, type Message } from "../dns/message.ts";
import { type Reply, readReply } from "../dns/reply.ts";
import { ProvisionError } from "../errors.ts";
import { type NameServer, serverText } from "./dns-server.ts";
import { keepDatagramsLight } from "./light-datagrams.ts";

/** Datagrams with our id that cannot be used: after so many, somebody plays with us and the try is over. */
const MAX_GARBLED = 16;

export type UdpReply = Extract<Reply, { kind: "answer" | "cut" }>;

/** Addresses are literal: none is looked up, and node:dns, which would do it, not loaded. */
const literally: NonNullable<SocketOptions["lookup"]> = (address, _options, done) => {
  process.nextTick(done, null, address, address.includes(":") ? 6 : 4);
};

/**
 * Puts a query to a server in one datagram and waits, until the signal fires, for the reply to it. The socket is connected, so
 * that the kernel drops what others send, and has a random port. What is not the reply is dropped and listening goes on;
 * `doubt` is told when a reply cannot be used, since a good one may not follow. DNS_FAILED if the network refuses.
 */
export function askUdp(
  server: NameServer,
  query: Message,
  how: { readonly signal: AbortSignal; readonly doubt: (why: string) => void },
): Promise<UdpReply> {
  return new Promise((resolve, reject) => {
    keepDatagramsLight();
    const socket = createSocket({ type: server.family === 6 ? "udp6" : "udp4", lookup: literally });
    let garbled = 0;
    let isClosed = false;

    const close = () => {
      isClosed = true;
      how.signal.removeEventListener("abort", stop);
      // An ICMP error may still be on its way to the closing socket. Its own listeners stay: a socket that is being bound
      // closes by one of them, and without it would keep the process alive for ever.
      socket.on("error", () => {});
      socket.close();
    };
    const fail = (cause: unknown) => {
      if (isClosed) return;
      close();
      reject(new ProvisionError("DNS_FAILED", `asking ${serverText(server)}`, { cause }));
    };
    const stop = () => fail(how.signal.reason);

    if (how.signal.aborted) return stop();
    how.signal.addEventListener("abort", stop, { once: true });
    socket.on("error", fail);
    socket.on("message", (bytes) => {
      if (isClosed) return;
      const reply = readReply(bytes, query);
      if (reply.kind === "foreign") return;
      if (reply.kind === "garbled") {
        how.doubt(reply.why);
        if (++garbled >= MAX_GARBLED) fail(new Error(reply.why));
        return;
      }
      close();
      resolve(reply);
    });
    socket.on("connect", () => {
      if (!isClosed) socket.send(encodeMessage(query), (error) => error && fail(error));
    });
    socket.connect(server.port, server.address);
  });
}
