/** What a device's settings say about fetching; times in seconds. */
export interface HttpSettings {
  /** PEM texts of CAs that servers may be signed by, besides the system's. */
  readonly ca: readonly string[];
  /** SHA-256 of servers' public keys (SPKI, as RFC 7469 has it): 64 hex digits or base64. */
  readonly pins: readonly string[];
  /** Whether the CAs of the system (those Node was started with) count, too. */
  readonly useSystemCa: boolean;
  /** What the device shows to a server that asks for a certificate; PEM texts. */
  readonly client?: { readonly cert: string; readonly key: string };
  readonly connectSeconds: number;
  readonly headerSeconds: number;
  /** Longest silence inside a body. */
  readonly bodyIdleSeconds: number;
  /** Longest time for one `get`, redirections included. */
  readonly totalSeconds: number;
  readonly maxRedirects: number;
  readonly userAgent: string;
}
