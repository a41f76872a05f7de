/** Who owns the device, as the first confirmed transaction wrote it to flash. */
import type { ServerProof, Transport } from "../api.ts";
import { ProvisionError } from "../errors.ts";

export type Latch =
  | {
      readonly kind: "keys";
      /** Keys that signed, 16 lower-case hex digits each, sorted. */
      readonly fingerprints: readonly string[];
      /** How many of them must sign. */
      readonly threshold: number;
    }
  | {
      readonly kind: "origin";
      /** Lower case. */
      readonly host: string;
      readonly port: number;
      /** As `Transport.proof`; an empty fingerprint of kind `ca` is the system's store. */
      readonly proof: ServerProof;
    };

/** Whether this server is the owner: same host, port, and the same CA, pinned key, or trust anchor above its TLSA; what else proved it does not matter. */
export function isSameOrigin(latch: Extract<Latch, { kind: "origin" }>, transport: Transport): boolean {
  return (
    transport.scheme === "https" &&
    transport.host.toLowerCase() === latch.host &&
    transport.port === latch.port &&
    [transport.proof, ...(transport.alsoProven ?? [])].some(
      (proof) => proof.kind === latch.proof.kind && proof.fingerprint === latch.proof.fingerprint,
    )
  );
}

/** The latch as a value for JSON, from the object read from flash. LATCH_INVALID: a broken latch never means “nobody owns me”. */
export function parseLatch(stored: unknown): Latch {
  const fields = record(stored);
  if (fields?.["version"] === 1) {
    const latch = fields["kind"] === "keys" ? parseKeys(fields) : parseOrigin(fields);
    if (latch !== undefined) return latch;
  }
  throw new ProvisionError("LATCH_INVALID", "what is written down about the owner cannot be read");
}

/** One line of JSON with its fields in a fixed order, so that the same owner is the same bytes. */
export function printLatch(latch: Latch): string {
  const fields =
    latch.kind === "keys"
      ? { version: 1, kind: latch.kind, fingerprints: latch.fingerprints.toSorted(), threshold: latch.threshold }
      : {
          version: 1,
          kind: latch.kind,
          host: latch.host,
          port: latch.port,
          proof: { kind: latch.proof.kind, fingerprint: latch.proof.fingerprint },
        };
  return `${JSON.stringify(fields)}\n`;
}

function parseKeys(fields: Readonly<Record<string, unknown>>): Latch | undefined {
  const { fingerprints, threshold } = fields;
  if (!Array.isArray(fingerprints) || fingerprints.length > 64 || !isWithin(threshold, fingerprints.length))
    return undefined;
  const names = fingerprints.filter((name): name is string => typeof name === "string" && /^[0-9a-f]{16}$/.test(name));
  if (names.length !== fingerprints.length || new Set(names).size !== names.length) return undefined;
  return { kind: "keys", fingerprints: names.toSorted(), threshold };
}

function parseOrigin(fields: Readonly<Record<string, unknown>>): Latch | undefined {
  const { kind, host, port } = fields;
  const proof = record(fields["proof"]);
  const [proofKind, fingerprint] = [proof?.["kind"], proof?.["fingerprint"]];
  if (kind !== "origin" || typeof host !== "string" || !/^[0-9a-z._:[\]-]{1,255}$/.test(host)) return undefined;
  if (!isWithin(port, 65535) || (proofKind !== "ca" && proofKind !== "pin" && proofKind !== "tlsa")) return undefined;
  // A domain name with every byte escaped is the longest.
  if (typeof fingerprint !== "string" || !/^[\x20-\x7e]{0,1020}$/.test(fingerprint)) return undefined;
  // A pin without a key would fit every server that has none; no trust anchor is without a zone.
  if (proofKind !== "ca" && fingerprint === "") return undefined;
  return { kind, host, port, proof: { kind: proofKind, fingerprint } };
}

function isWithin(value: unknown, highest: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= highest;
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
