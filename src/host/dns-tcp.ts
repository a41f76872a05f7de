import type { Message } from "../dns/message.ts";
import { framed, readReply } from "../dns/reply.ts";
import { ProvisionError } from "../errors.ts";
import { type NameServer, serverText } from "./dns-server.ts";

/**
 * Puts a query to a server over TCP (RFC 7766) and takes the one message that comes back, 65,535 bytes at most, until
 * the signal fires. DNS_FAILED if the connection fails or ends early, or if what came is not the answer.
 */
export function askTcp(server: NameServer, query: Message, signal: AbortSignal): Promise<Message> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    // Loaded for the rare answer that does not fit into a datagram.
    const socket = process
      .getBuiltinModule("node:net")
      .connect({ host: server.address, port: server.port, family: server.family });

    const close = () => {
      signal.removeEventListener("abort", stop);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
    };
    const fail = (cause: unknown) => {
      close();
      reject(new ProvisionError("DNS_FAILED", `asking ${serverText(server)} over TCP`, { cause }));
    };
    const stop = () => fail(signal.reason);

    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("it closed the connection before its answer was whole")));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < 2) return;
      const bytes = Buffer.concat(chunks);
      const size = bytes.readUInt16BE(0);
      if (received < size + 2) return;
      const reply = readReply(bytes.subarray(2, size + 2), query);
      if (reply.kind !== "answer")
        return fail(new Error(reply.kind === "garbled" ? reply.why : `a ${reply.kind} answer`));
      close();
      resolve(reply.message);
    });
  });
}
