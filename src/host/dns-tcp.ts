import type { Message } from "../dns/message.ts";
import { framed, readReply } from "../dns/reply.ts";
import { ProvisionError } from "../errors.ts";
import { answerOf } from "./answer.ts";
import { type NameServer, serverText } from "./dns-server.ts";

/**
 * Puts a query to a server over TCP (RFC 7766) and takes the one message that comes back, 65,535 bytes at most, until
 * the signal fires. DNS_FAILED if the connection fails or ends early, or if what came is not the answer.
 */
export async function askTcp(server: NameServer, query: Message, signal: AbortSignal): Promise<Message> {
  // Loaded for the rare answer that does not fit into a datagram.
  const { connect } = process.getBuiltinModule("node:net");
  const socket = connect({ host: server.address, port: server.port, family: server.family });
  const read = (bytes: Buffer): Message | undefined => {
    const end = bytes.length < 2 ? Number.POSITIVE_INFINITY : bytes.readUInt16BE(0) + 2;
    if (bytes.length < end) return undefined;
    const reply = readReply(bytes.subarray(2, end), query);
    if (reply.kind === "answer") return reply.message;
    throw new Error(reply.kind === "garbled" ? reply.why : `a ${reply.kind} answer`);
  };
  try {
    return await answerOf({ socket, ready: "connect", request: framed(query) }, read, signal);
  } catch (cause) {
    throw new ProvisionError("DNS_FAILED", `asking ${serverText(server)} over TCP`, { cause });
  }
}
