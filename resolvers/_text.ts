import { strictUtf8 } from "../src/api.ts";

/** Longest URI that anybody may teach, in bytes. */
const MAX_URI = 2048;

/** Bytes as text without control characters; undefined if they are no UTF-8 or hold one. */
export function plainText(bytes: Uint8Array): string | undefined {
  const text = strictUtf8(bytes);
  return text === undefined || /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(text) ? undefined : text;
}

/**
 * Bytes as an http or https URI, perhaps with macros, where a network's option may as well hold something else. Zeros at the end are
 * dropped: some servers send C strings. Whether the URI is well formed is for the core to say.
 */
export function uriText(bytes: Uint8Array): string | undefined {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end > MAX_URI) return undefined;
  const text = plainText(bytes.subarray(0, end));
  return text !== undefined && /^https?:\/\/[^\s/]/i.test(text) && !/\s/.test(text) ? text : undefined;
}

/** Text shortened for a log line, its oddities visible. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
