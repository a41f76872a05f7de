/*
 * Inside the engine every piece of configuration is a "byte string": a JavaScript string in which each character stands
 * for one byte (U+0000 to U+00FF). UCI promises nothing about encodings and lets values hold any byte but NUL, so this is
 * what survives a round trip exactly; it is also compact, and plain ASCII looks like itself.
 */

/** The byte string of what was read: bytes as they are, text as its UTF-8. */
export function byteString(from: Uint8Array | string): string {
  if (typeof from === "string") return fromText(from);
  return Buffer.from(from.buffer, from.byteOffset, from.byteLength).toString("latin1");
}

/** The bytes a byte string stands for. */
export function bytesOf(bytes: string): Uint8Array {
  return Buffer.from(bytes, "latin1");
}

/** A byte string as text for people and for code that thinks in UTF-8; bytes that are no UTF-8 become U+FFFD. */
export function toText(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}

/** The byte string of a text: its UTF-8, one character a byte. */
export function fromText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text);
}
