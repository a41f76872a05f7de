import { isUtf8 } from "node:buffer";

/**
 * Bytes as text, or undefined for bytes that are no UTF-8 (RFC 3629). A leading byte order mark is kept, like any other character.
 * Not TextDecoder's `fatal`: a Node that was built without ICU has none (ERR_NO_ICU).
 */
export function strictUtf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
