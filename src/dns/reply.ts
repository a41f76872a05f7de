import { encodeMessage, type Message, type MessageHead, parseHead, parseMessage } from "./message.ts";
import { identicalName, sameName } from "./name.ts";
import { RCODE } from "./types.ts";

/** What bytes from a server's address are with regard to a question that was put to it. */
export type Reply =
  | { readonly kind: "answer"; readonly message: Message }
  /** The answer did not fit; ask again over TCP. */
  | { readonly kind: "cut" }
  /** Not the answer to this question: late, reflected, or forged. */
  | { readonly kind: "foreign" }
  /** It has our id and cannot be used. */
  | { readonly kind: "garbled"; readonly why: string };

/** Judges bytes as a reply (RFC 5452 §9): id, QR, opcode and the question, letter by letter, must be those of the query. */
export function readReply(bytes: Uint8Array, asked: Message): Reply {
  if (bytes.length < 2 || (((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)) !== asked.id) return { kind: "foreign" };
  try {
    const head = parseHead(bytes);
    if (!head.isResponse || head.opcode !== asked.opcode) return { kind: "foreign" };
    const match = compareQuestion(head, asked);
    if (match === "other") return { kind: "foreign" };
    if (match === "case") return { kind: "garbled", why: "the question came back in another letter case" };
    return head.truncated ? { kind: "cut" } : { kind: "answer", message: parseMessage(bytes) };
  } catch (cause) {
    return { kind: "garbled", why: cause instanceof Error ? cause.message : String(cause) };
  }
}

function compareQuestion(head: MessageHead, asked: Message): "same" | "case" | "other" {
  const [got] = head.questions;
  const [wanted] = asked.questions;
  // A server that refuses to read a query may answer with its header alone (RFC 6891 §7 saw this in practice).
  if (!got) return head.rcode !== RCODE.NOERROR && head.rcode !== RCODE.NXDOMAIN ? "same" : "other";
  if (!wanted || got.type !== wanted.type || got.class !== wanted.class) return "other";
  if (identicalName(got.name, wanted.name)) return "same";
  return sameName(got.name, wanted.name) ? "case" : "other";
}

/** A query's bytes as TCP carries them: after their length (RFC 1035 §4.2.2). */
export function framed(message: Message): Uint8Array {
  const bytes = encodeMessage(message);
  const frame = new Uint8Array(bytes.length + 2);
  new DataView(frame.buffer).setUint16(0, bytes.length);
  frame.set(bytes, 2);
  return frame;
}
