import { createHash, X509Certificate } from "node:crypto";
import type { Tlsa } from "../../dns/rdata.ts";

/** Bytes of the digests that are known, by matching type (RFC 6698 §7.4); the higher is the stronger. */
const DIGESTS: ReadonlyMap<number, { readonly name: string; readonly size: number }> = new Map([
  [1, { name: "sha256", size: 32 }],
  [2, { name: "sha512", size: 64 }],
]);

const WHOLE = 0;

/**
 * The records a server can be judged by: DANE-EE (usage 3) of a known selector and matching type. Of several digests of the same thing only the strongest
 * counts (RFC 7671 §9). None: as if there were no records at all (RFC 6698 §4.1).
 */
export function usableRecords(records: readonly Tlsa[]): readonly Tlsa[] {
  const known = records.filter(
    ({ usage, selector, matching, content }) =>
      usage === 3 &&
      (selector === 0 || selector === 1) &&
      (matching === WHOLE ? content.length > 0 : content.length === DIGESTS.get(matching)?.size),
  );
  return known.filter(
    (one) =>
      one.matching === WHOLE ||
      !known.some(({ selector, matching }) => selector === one.selector && matching > one.matching),
  );
}

/** Whether one of the records is of this certificate, DER. Its names and dates do not matter (RFC 7671 §5.1). */
export function isPublished(records: readonly Tlsa[], certificate: Uint8Array): boolean {
  return records.some(({ selector, matching, content }) => {
    const bytes = selector === 0 ? certificate : publicKeyOf(certificate);
    const digest = DIGESTS.get(matching);
    const shown = digest ? createHash(digest.name).update(bytes).digest() : bytes;
    return Buffer.compare(shown, content) === 0;
  });
}

/** A certificate's public key with its algorithm (SPKI), DER. */
export function publicKeyOf(certificate: Uint8Array): Uint8Array {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
}
