import type { Device, RunContext } from "../../context.ts";
import { type ErrorCode, ProvisionError } from "../../errors.ts";
import { judgeFreshness, mayFollow, recordOf } from "../../tree/freshness.ts";
import { verifySignatures } from "../../tree/signature.ts";
import { judge, type SignatureFacts, type TrustQuestion, type Verdict } from "../../trust.ts";
import { isHost, redactUri } from "../../uri.ts";
import type { Source } from "../geturi.ts";
import { mayAskClock, timeFloor } from "../time-floor.ts";
import type { Keys } from "./keys.ts";
import type { FetchedManifest } from "./manifest.ts";

/** Why the tree is believed. */
export interface TreeProof {
  readonly by: Extract<Verdict, { accepted: true }>["by"];
  readonly reason: string;
  readonly latch: Extract<Verdict, { accepted: true }>["latch"];
  /** Fingerprints of the keys that signed. */
  readonly signers: readonly string[];
  readonly isClockProven: boolean;
}

/** The verdict on the tree, then whether it is fresh; the error's code says which was refused and why. */
export function proveTree(
  ctx: RunContext,
  device: Device,
  source: Source,
  keys: Keys,
  answer: FetchedManifest,
): TreeProof {
  const signatures = signatureFacts(device, keys, answer.bytes, answer.signature);
  const question = questionAbout(device, source, answer.transport, signatures);
  const verdict = judge(question);
  if (!verdict.accepted) throw refusal(verdict, source, question, answer.manifest !== undefined);
  if (verdict.by === "lab") ctx.log("warning", "trust is `any`: this tree proves nothing, for the laboratory only");
  const isClockProven = mayAskClock(ctx, timeFloor(device));
  if (verdict.by !== "lab") checkFreshness(ctx, device, source, answer, isClockProven);
  return {
    by: verdict.by,
    reason: verdict.reason,
    latch: verdict.latch,
    signers: [...(signatures?.valid ?? [])],
    isClockProven,
  };
}

export function signatureFacts(
  device: Device,
  keys: Keys,
  bytes: Uint8Array,
  signature: string | undefined,
): SignatureFacts | undefined {
  if (signature === undefined) return undefined;
  return { ...verifySignatures(bytes, signature, keys), threshold: device.settings.main.threshold };
}

export function questionAbout(
  device: Device,
  source: Source,
  transport: FetchedManifest["transport"],
  signatures: SignatureFacts | undefined,
): TrustQuestion {
  return {
    source: { resolver: source.resolver, evidence: source.evidence, isBaseTainted: source.base.isTainted },
    transport,
    isHostAllowed: device.settings.main.allowed_host.some((host) => isHost(host, transport.host)),
    signatures,
    latch: device.state.latch,
    policy: device.settings.main.trust,
  };
}

function refusal(
  verdict: Extract<Verdict, { accepted: false }>,
  source: Source,
  { signatures, latch, transport }: TrustQuestion,
  isListed: boolean,
): ProvisionError {
  const origins =
    verdict.reason === "other-origin" && latch?.kind === "origin"
      ? `; the owner is ${latch.host}:${latch.port}, known by ${proofText(latch.proof)}, and this is ${transport.host}:${transport.port}, known by ${proofText(transport.proof)}`
      : "";
  const signed = signatures
    ? `${signatures.valid.size} of ${signatures.threshold} signatures are good, ${signatures.wrong.length} wrong, ${signatures.unknown.length} of unknown keys`
    : isListed
      ? "there is no signature"
      : "there is no MANIFEST, nor a signature: is that the tree's URI?";
  return new ProvisionError(
    verdict.code,
    `${redactUri(source.base.text)}, named by ${source.resolver}, is refused (${verdict.reason}): ${signed}${origins}`,
  );
}

function proofText({ kind, fingerprint }: TrustQuestion["transport"]["proof"] & { fingerprint?: string }): string {
  switch (kind) {
    case "none":
      return "nothing";
    case "pin":
      return `its pinned key ${fingerprint}`;
    case "tlsa":
      return `TLSA under the trust anchor of ${fingerprint}`;
    case "ca":
      return fingerprint === "" ? "a CA of the system's" : `the CA ${fingerprint}`;
  }
}

const FRESHNESS: Partial<Record<ErrorCode, string>> = {
  SERIAL_LOWER: "is older than what this device has seen",
  SERIAL_REUSED: "has the serial of another manifest",
  MANIFEST_EXPIRED: "has expired",
};

function checkFreshness(
  ctx: RunContext,
  device: Device,
  source: Source,
  answer: FetchedManifest,
  isClockProven: boolean,
): void {
  const { manifest } = answer;
  if (manifest === undefined) return;
  if (device.state.latch !== undefined && !mayFollow(device.state.trees, manifest.tree)) {
    throw new ProvisionError(
      "NOT_THE_OWNER",
      `${redactUri(source.base.text)} is refused (another-tree): it is "${manifest.tree}", which ${[...device.state.trees.keys()].join(", ")} has not named its successor`,
    );
  }
  const known = recordOf(device.state.trees, manifest.tree);
  const fresh = judgeFreshness(manifest, known, ctx.clock.now(), timeFloor(device), isClockProven);
  if (fresh.isFresh) return;
  const numbers = `serial ${manifest.serial ?? "none"}, known ${known?.serial ?? "none"}`;
  throw new ProvisionError(
    fresh.code,
    `the manifest of ${redactUri(source.base.text)} ${FRESHNESS[fresh.code]} (${fresh.reason}: ${numbers})`,
  );
}
