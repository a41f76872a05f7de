/** HTTP as resolvers, hooks and stages see it. `api.ts` hands it on. */

export interface HttpRequest {
  readonly uri: string;
  /** The body's bound in bytes; more is TOO_LARGE, seen from Content-Length or while it comes. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** For a conditional request: what an earlier answer carried. */
  readonly etag?: string;
  readonly modified?: string;
  /** Put the body into this file (a path of the device's, in RAM) rather than in memory; a cut body is resumed from it. */
  readonly spool?: string;
  /** Bytes of the body, where a list names them: a large one is then asked for in pieces (only with `spool`) if the server is far and gives parts. */
  readonly size?: number;
  /**
   * Its SHA-256, 64 lower-case hex digits, where a list names it: a small one whose size is listed, too, then need not wait for the answers to those asked for before it. Whether
   * what comes is that in the end is for the caller to see.
   */
  readonly sha256?: string;
  /** Further request headers, e.g. a device's identity where the admin asked for it. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * How a server proved who it is. `pin`: its own key is one the settings name (`fingerprint`). `tlsa`: its zone publishes its certificate or key, proven by
 * DNSSEC on this device; `fingerprint` is the zone of the trust anchor. `ca`: verified up to a CA, with `fingerprint` if it is one the settings name.
 */
export interface ServerProof {
  readonly kind: "pin" | "tlsa" | "ca";
  readonly fingerprint: string;
}

/** Who the last server was and how that is known; a chain with one unproven hop is not proven. */
export interface Transport {
  readonly scheme: "https" | "http";
  readonly host: string;
  readonly port: number;
  readonly proof: { readonly kind: "none" } | ServerProof;
  /** What else would have proven it, had there not been `proof`. */
  readonly alsoProven?: readonly ServerProof[];
}

export type HttpAnswer =
  | { readonly kind: "not-modified"; readonly uri: string; readonly transport: Transport }
  | { readonly kind: "absent"; readonly uri: string; readonly transport: Transport }
  | {
      readonly kind: "body";
      /** Where it came from in the end, after redirects. */
      readonly uri: string;
      readonly transport: Transport;
      /** The bytes, or empty if they were spooled. */
      readonly bytes: Uint8Array;
      readonly size: number;
      /** SHA-256 of the body, 64 lower-case hex digits. */
      readonly sha256: string;
      readonly etag?: string;
      readonly modified?: string;
      readonly contentType?: string;
    };

/** A letter to a server. */
export interface HttpLetter {
  readonly uri: string;
  readonly body: Uint8Array;
  /** POST if not given. */
  readonly method?: "PUT";
  /** JSON if not given. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface Http {
  /**
   * GET with bounded size, time and redirects; 404 and 410 are `absent`. Errors by class: DNS_*, CONNECT_FAILED, TLS_*, CLOCK_WRONG, HTTP_*,
   * PORTAL, TRUNCATED, TOO_LARGE, REDIRECT_*. One try: when to try again is the run's business.
   */
  get(request: HttpRequest): Promise<HttpAnswer>;
  /**
   * POST, or PUT, under the same rules for TLS; no redirection is followed. Resolves with the status, whatever it is, and with the seconds of
   * Retry-After. Errors as for `get`, as long as there is no answer. Absent where nothing may leave, as in a plan on paper.
   */
  post?(letter: HttpLetter): Promise<{ readonly status: number; readonly retryAfter: number | undefined }>;
  /** Loads what a request needs, without making one: for who waits anyway and knows that it will ask. */
  prepare?(): void;
  /** So many requests to this server are about to be made: connections for them may be opened meanwhile. Never fails: whoever asks is told. */
  expect?(uri: string, requests: number): void;
  /** Closes kept connections. */
  close(): Promise<void>;
}
