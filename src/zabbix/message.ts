/** What `zabbix_sender` and a server say to each other: a header and JSON. (Zabbix's manual, appendix "Protocols": header, sender) */
import { asObject, textOf } from "../json-fields.ts";
import { strictUtf8 } from "../utf8.ts";

/** A value of a trapper item. */
export interface TrapperValue {
  readonly key: string;
  readonly value: string;
  /** Seconds since 1970. */
  readonly clock: number;
  /** Nanoseconds after that: values of one item in one second stay apart by it. */
  readonly ns: number;
}

/** How many values of a request a server took. */
export interface Taken {
  readonly processed: number;
  readonly failed: number;
}

/** `ZBXD`, flags, the body's length, and room that is for compressed bodies; all numbers in little-endian order. */
const MAGIC = "ZBXD";
const PLAIN = 0x01;
const HEADER_BYTES = 13;

/** An answer is a line or two. */
const MOST_BYTES = 65_536;

export function sendRequest(
  host: string,
  values: readonly TrapperValue[],
  now: { clock: number; ns: number },
): Uint8Array {
  return framed({
    request: "sender data",
    data: values.map(({ key, value, clock, ns }) => ({ host, key, value, clock, ns })),
    ...now,
  });
}

export function framed(body: unknown): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(body));
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, "latin1");
  header.writeUInt8(PLAIN, 4);
  header.writeUInt32LE(bytes.length, 5);
  return Buffer.concat([header, bytes]);
}

/** How many bytes a message has, by its beginning; undefined as long as that cannot be told. TypeError if it is none that we take. */
export function messageLength(beginning: Uint8Array): number | undefined {
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  if (!MAGIC.startsWith(bytes.toString("latin1", 0, Math.min(4, bytes.length))))
    throw new TypeError("it does not begin as Zabbix does");
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.readUInt8(4) !== PLAIN) throw new TypeError("it is compressed or larger than an answer is");
  const length = bytes.readUInt32LE(5);
  if (length > MOST_BYTES) throw new TypeError(`it says it has ${length} bytes: ${MOST_BYTES} are allowed`);
  return HEADER_BYTES + length;
}

/**
 * What a server's whole answer says. TypeError if it is none, or if the server refuses the request. `response` is "success" even where every value failed: only the
 * counts in `info` tell.
 */
export function readTaken(message: Uint8Array): Taken {
  const text = strictUtf8(message.subarray(HEADER_BYTES));
  if (text === undefined) throw new TypeError("it is no UTF-8");
  const answer = asObject(JSON.parse(text));
  const response = textOf(answer, "response");
  const info = typeof answer["info"] === "string" ? answer["info"] : "";
  if (response !== "success") throw new TypeError(`it refuses: ${JSON.stringify((info || response).slice(0, 200))}`);
  const [, processed, failed] = /\bprocessed: ([0-9]{1,9}); failed: ([0-9]{1,9});/.exec(info) ?? [];
  if (processed === undefined || failed === undefined) throw new TypeError("it does not say how many values it took");
  return { processed: Number(processed), failed: Number(failed) };
}
