import { ProvisionError } from "../../errors.ts";

/** An answer's status and header, as undici parsed them. */
export interface Head {
  readonly status: number;
  readonly fields: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** More fields than this no honest server sends; their bytes are bounded by the agent. */
const FIELDS = 100;

/** HTTP_ODD if the answer is of a kind that a static server asked plainly does not give: too many fields, or a body that is encoded. */
export function refuseOddHead(head: Head): void {
  const count = Object.values(head.fields).reduce(
    (sum, value) => sum + (typeof value === "string" ? 1 : (value?.length ?? 0)),
    0,
  );
  if (count > FIELDS) throw new ProvisionError("HTTP_ODD", `the answer has ${count} header fields`);
  const encoding = field(head, "content-encoding");
  if (encoding !== undefined && encoding.trim().toLowerCase() !== "identity") {
    throw new ProvisionError(
      "HTTP_ODD",
      `the body is encoded (${encoding.slice(0, 40)}) though no encoding was asked for`,
    );
  }
  const transfer = field(head, "transfer-encoding");
  if (transfer !== undefined && transfer.trim().toLowerCase() !== "chunked") {
    throw new ProvisionError("HTTP_ODD", `the body is transferred in an odd way (${transfer.slice(0, 40)})`);
  }
}

/** One field's value; several of one name are joined as a list, as RFC 9110 §5.3 has it. */
export function field(head: Head, name: string): string | undefined {
  const value = head.fields[name];
  return value === undefined || typeof value === "string" ? value : value.join(", ");
}

/** Whether the server says that it gives parts of what it answers with (RFC 9110 §14.3). */
export function givesParts(head: Head): boolean {
  return (field(head, "accept-ranges") ?? "").trim().toLowerCase() === "bytes";
}

/** Whether the server says nothing of closing the connection behind its answer (RFC 9112 §9.3). */
export function keepsOpen(head: Head): boolean {
  return !/\bclose\b/i.test(field(head, "connection") ?? "");
}

/** Content-Length in bytes, if the answer states one. */
export function statedLength(head: Head): number | undefined {
  const text = field(head, "content-length");
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The entity tag if it has the form of RFC 9110 §8.8.3 and is short enough to be kept. */
export function entityTag(head: Head): string | undefined {
  const tag = field(head, "etag");
  return tag !== undefined && tag.length <= 256 && /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(tag) ? tag : undefined;
}

/** The entity tag if it stands for the very bytes (RFC 9110 §8.8.1). */
export function strongTag(head: Head): string | undefined {
  const tag = entityTag(head);
  return tag?.startsWith("W/") ? undefined : tag;
}

/** Weak comparison (RFC 9110 §8.8.3.2): the same but for the mark of weakness. */
export function isSameTag(one: string, other: string): boolean {
  return one.replace(/^W\//, "") === other.replace(/^W\//, "");
}

const HTTP_DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

/** Last-Modified as it stands, if it is a date of RFC 9110 §5.6.7 (its preferred form). */
export function lastModified(head: Head): string | undefined {
  const text = field(head, "last-modified");
  return text !== undefined && HTTP_DATE.test(text) ? text : undefined;
}

const DAY_SECONDS = 86_400;

/**
 * Retry-After in seconds from now (RFC 9110 §10.2.3: seconds, or a date), a day at most. A date is measured against the server's own Date where
 * it sends one: the device's clock may be wrong.
 */
export function retryAfter(head: Head, now: number): number | undefined {
  const text = field(head, "retry-after")?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text), DAY_SECONDS);
  if (!HTTP_DATE.test(text)) return undefined;
  const stated = field(head, "date");
  const from = stated !== undefined && HTTP_DATE.test(stated) ? Date.parse(stated) : now;
  return Math.min(Math.max(Math.ceil((Date.parse(text) - from) / 1000), 0), DAY_SECONDS);
}

/** `bytes FIRST-LAST/TOTAL` of a 206; undefined if it is anything else (RFC 9110 §14.4). */
export function contentRange(head: Head): { first: number; last: number; total: number } | undefined {
  const parts = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(field(head, "content-range")?.trim() ?? "");
  return parts ? { first: Number(parts[1]), last: Number(parts[2]), total: Number(parts[3]) } : undefined;
}
