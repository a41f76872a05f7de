/** Whether the device takes what it was given: one pure decision, with its reason as a value (docs/trust.md). */
import type { EvidenceKind, Transport } from "./api.ts";
import type { ErrorCode } from "./errors.ts";
import { isSameOrigin, type Latch } from "./trust/latch.ts";
import {
  type Accepted,
  type ChannelWorth,
  type LatchState,
  type Policy,
  RESOURCE_TABLE,
  type Refused,
  type ResourcePlace,
  type SignatureWorth,
  TRUST_TABLE,
} from "./trust/table.ts";

export { type Latch, parseLatch, printLatch } from "./trust/latch.ts";
export type { Policy, ResourcePlace } from "./trust/table.ts";

/** Signatures on a manifest or a file, as `verifySignatures` found them. */
export interface SignatureFacts {
  /** Keys that signed, each public key once. */
  readonly valid: ReadonlySet<string>;
  /** Signers the device holds no key of. */
  readonly unknown: readonly string[];
  /** Signers it knows whose signature does not fit. */
  readonly wrong: readonly string[];
  /** How many keys must have signed, by the device's settings; 1 at least. */
  readonly threshold: number;
}

export interface TrustQuestion {
  readonly source: {
    readonly resolver: string;
    readonly evidence: EvidenceKind;
    /** The URI holds what an unproven network said: then it is the network's, whoever wrote the template. */
    readonly isBaseTainted: boolean;
  };
  readonly transport: Transport;
  /** Settings allow the host that answered, whoever named it. */
  readonly isHostAllowed: boolean;
  /** Undefined: there is no signature file. */
  readonly signatures: SignatureFacts | undefined;
  readonly latch: Latch | undefined;
  readonly policy: Policy;
}

export type Verdict =
  | {
      readonly accepted: true;
      /** `lab`: by nothing but `trust any`; every log line says so. */
      readonly by: "signature" | "transport" | "lab";
      readonly reason: string;
      /** What confirming writes down as the owner; undefined: what is written stays. */
      readonly latch: Latch | undefined;
    }
  | { readonly accepted: false; readonly code: ErrorCode; readonly reason: string };

/** The verdict on a tree. */
export function judge(question: TrustQuestion): Verdict {
  const facts = {
    latch: latchState(question),
    policy: question.policy,
    signature: signatureWorth(question),
    channel: channelWorth(question),
  };
  return verdict(decide(TRUST_TABLE, facts), question);
}

export interface ResourceQuestion extends Omit<TrustQuestion, "signatures"> {
  readonly place: ResourcePlace;
  /** Its URI holds a macro that an unproven network taught, `base_uri` apart (design §3). */
  readonly isTainted: boolean;
  /** How its tree was accepted. */
  readonly tree: "signature" | "transport" | "lab";
  /** Those of the resource's own `.sig`, over its own bytes. */
  readonly ownSignatures: SignatureFacts | undefined;
}

/**
 * The verdict on one resource of an accepted tree. `source` says who named *this* URI: settings (`local`) if it is elsewhere, the tree's source if it is below its base. `latch`
 * is the one the tree's verdict would write, if it would: so a first run refuses what the second would.
 */
export function judgeResource(question: ResourceQuestion): Verdict {
  const asked: TrustQuestion = { ...question, signatures: question.ownSignatures };
  const facts = {
    place: question.place,
    isTainted: question.isTainted,
    tree: question.tree,
    policy: question.policy,
    latch: latchState(asked),
    signature: signatureWorth(asked),
    channel: channelWorth(asked),
  };
  return verdict(decide(RESOURCE_TABLE, facts), asked);
}

type Facts = Readonly<Record<string, string | boolean>>;
type Row = Readonly<Record<string, unknown>> & { readonly then: Accepted | Refused };

/** The first row whose every column fits; the last row of each table fits all that is left. */
function decide<R extends { readonly then: Accepted | Refused }>(
  table: readonly R[],
  facts: Facts,
): Accepted | Refused {
  const found = table.find((row) =>
    Object.entries(facts).every(([column, fact]) => {
      const wanted = (row as unknown as Row)[column];
      return wanted === "*" || wanted === fact || (Array.isArray(wanted) && wanted.includes(fact));
    }),
  );
  return found?.then ?? { refuse: "UNTRUSTED", reason: "source-not-ours" };
}

function verdict(then: Accepted | Refused, question: TrustQuestion): Verdict {
  if ("refuse" in then) return { accepted: false, code: then.refuse, reason: then.reason };
  const latch = then.latch === "as it is" ? undefined : newLatch(then.latch, question);
  return { accepted: true, by: then.accept, reason: then.reason, latch };
}

function newLatch(kind: "keys" | "origin", { signatures, transport }: TrustQuestion): Latch | undefined {
  if (kind === "keys") {
    if (signatures === undefined) return undefined;
    return { kind, fingerprints: [...signatures.valid].sort(), threshold: signatures.threshold };
  }
  if (transport.proof.kind === "none") return undefined;
  return { kind, host: transport.host.toLowerCase(), port: transport.port, proof: { ...transport.proof } };
}

function latchState({ latch, transport }: TrustQuestion): LatchState {
  if (latch === undefined) return "free";
  if (latch.kind === "keys") return "keys";
  return isSameOrigin(latch, transport) ? "same-origin" : "other-origin";
}

function signatureWorth({ signatures, latch }: TrustQuestion): SignatureWorth {
  if (signatures === undefined) return "none";
  const { valid, unknown, wrong, threshold } = signatures;
  const owners =
    latch?.kind === "keys" ? latch.fingerprints.filter((fingerprint) => valid.has(fingerprint)) : [...valid];
  const needed = latch?.kind === "keys" ? latch.threshold : threshold;

  // A threshold that is no positive number is never reached, rather than always.
  if (threshold >= 1 && needed >= 1 && valid.size >= threshold && owners.length >= needed) return "enough";
  if (wrong.length > 0) return "wrong";
  if (owners.length > 0) return "few";
  if (valid.size > 0) return "stranger";
  return unknown.length > 0 ? "unknown" : "none";
}

function channelWorth({ source, transport, isHostAllowed }: TrustQuestion): ChannelWorth {
  const isOurs = isHostAllowed || (source.evidence !== "none" && !source.isBaseTainted);
  if (!isOurs) return "foreign";
  return transport.scheme === "https" && transport.proof.kind !== "none" ? "own" : "unproven";
}
