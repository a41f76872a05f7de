/** Asking for TXT records: a part of `api.ts`, which hands it on. */

/** One TXT record: its character strings, each up to 255 bytes of anything. */
export type TxtRecord = readonly Uint8Array[];

export type TxtAnswer =
  | { readonly kind: "records"; readonly records: readonly TxtRecord[]; readonly name: string; readonly ttl: number }
  | { readonly kind: "no-name" | "no-data"; readonly name: string };

/** `insecure`: it is proven that the zone is not signed, or no anchor is above it; what it says is worth what plain DNS is. */
export type SecureTxtAnswer = TxtAnswer | { readonly kind: "insecure"; readonly name: string; readonly why: string };

export interface Dns {
  /**
   * TXT of a full name, over UDP and, when the answer was cut, TCP; CNAMEs are followed within the answer.
   * DNS_TIMEOUT: nobody answered in `deadline` milliseconds. DNS_FAILED: SERVFAIL, REFUSED, or nonsense from every server.
   */
  txt(
    name: string,
    how: { servers: readonly string[]; port: number; deadline: number; signal: AbortSignal },
  ): Promise<TxtAnswer>;
  /**
   * The same, proven on this device from a trust anchor down (DNSSEC); the servers need not be trusted, only to pass signatures on. `anchors` are
   * DS lines; the root's are built in. `now`: milliseconds since 1970, which signatures are judged by. Further errors: DNSSEC_BOGUS, CLOCK_WRONG.
   */
  secureTxt(
    name: string,
    how: {
      servers: readonly string[];
      port: number;
      deadline: number;
      signal: AbortSignal;
      anchors: readonly string[];
      now: number;
    },
  ): Promise<SecureTxtAnswer>;
}
