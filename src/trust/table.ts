/** The trust decision as data: the first row that fits decides. docs/trust.md shows these tables, and a test compares. */
import type { ErrorCode } from "../errors.ts";

export type Policy = "authentic" | "signed" | "any";

/** What the signatures are worth to this device. */
export type SignatureWorth =
  /** As many of our keys signed as must, and of the owner's if it is latched to keys. */
  | "enough"
  /** Some did. */
  | "few"
  /** A key we know is said to have signed, and has not. */
  | "wrong"
  /** Our keys signed, but none of the owner's. */
  | "stranger"
  /** Only keys we do not know. */
  | "unknown"
  | "none";

/** What source and transport are worth together. */
export type ChannelWorth =
  /** The source is ours (or the host allowed), and the transport proves that it is the one. */
  | "own"
  /** It would be ours, but nobody proved that it answered. */
  | "unproven"
  | "foreign";

/** Who owns the device; for an origin, whether this is it. */
export type LatchState = "free" | "keys" | "same-origin" | "other-origin";

export type Accepted = {
  readonly accept: "signature" | "transport" | "lab";
  readonly reason: string;
  /** What is written down when this is confirmed. */
  readonly latch: "keys" | "origin" | "as it is";
};
export type Refused = { readonly refuse: ErrorCode; readonly reason: string };

type OneOf<T> = readonly T[] | "*";

export interface TrustRow {
  readonly latch: OneOf<LatchState>;
  readonly policy: OneOf<Policy>;
  readonly signature: OneOf<SignatureWorth>;
  readonly channel: OneOf<ChannelWorth>;
  readonly then: Accepted | Refused;
}

const ORIGIN = ["same-origin", "other-origin"] as const;

/** For a tree: what its manifest says, or, without one, what its files say. */
export const TRUST_TABLE: readonly TrustRow[] = [
  // Nobody owns the device, laboratory: everything goes, nothing is written down; what proof there is, is told.
  row(["free"], ["any"], ["enough"], "*", accept("signature", "signed", "as it is")),
  row(["free"], ["any"], ["few", "unknown", "none"], ["own"], accept("transport", "own-source", "as it is")),
  row(["free"], ["any"], "*", "*", accept("lab", "laboratory", "as it is")),

  // Nobody owns the device.
  row(["free"], "*", ["enough"], "*", accept("signature", "signed", "keys")),
  row(["free"], "*", ["wrong"], "*", refuse("SIGNATURE_WRONG", "signature-wrong")),
  row(["free"], ["authentic"], "*", ["own"], accept("transport", "own-source", "origin")),
  row(["free"], "*", ["few"], "*", refuse("SIGNATURES_TOO_FEW", "signatures-too-few")),
  row(["free"], "*", ["unknown"], "*", refuse("SIGNATURE_WRONG", "signer-unknown")),
  row(["free"], ["signed"], ["none"], "*", refuse("SIGNATURE_MISSING", "not-signed")),
  row(["free"], "*", "*", ["unproven"], refuse("UNTRUSTED", "transport-unproven")),
  row(["free"], "*", "*", "*", refuse("UNTRUSTED", "source-not-ours")),

  // Keys own it: they must have signed, whoever serves it and whatever the policy is.
  row(["keys"], "*", ["enough"], "*", accept("signature", "signed-by-owner", "as it is")),
  row(["keys"], "*", ["wrong"], "*", refuse("SIGNATURE_WRONG", "signature-wrong")),
  row(["keys"], "*", ["few"], "*", refuse("SIGNATURES_TOO_FEW", "signatures-too-few")),
  row(["keys"], "*", ["none"], "*", refuse("SIGNATURE_MISSING", "not-signed-by-owner")),
  row(["keys"], "*", "*", "*", refuse("NOT_THE_OWNER", "signer-not-the-owner")),

  // An origin owns it: that origin goes on, or an own source that proves itself brings a signature and hands over to the keys.
  row(ORIGIN, ["any"], ["enough"], ["own"], accept("signature", "signed", "as it is")),
  row(ORIGIN, "*", ["enough"], ["own"], accept("signature", "upgraded-to-keys", "keys")),
  row(ORIGIN, "*", ["wrong"], "*", refuse("SIGNATURE_WRONG", "signature-wrong")),
  row(ORIGIN, "*", "*", ["foreign"], refuse("NOT_THE_OWNER", "source-not-ours")),
  row(ORIGIN, "*", "*", ["unproven"], refuse("NOT_THE_OWNER", "origin-unproven")),
  row(ORIGIN, ["signed"], ["few"], "*", refuse("SIGNATURES_TOO_FEW", "signatures-too-few")),
  row(ORIGIN, ["signed"], ["unknown"], "*", refuse("SIGNATURE_WRONG", "signer-unknown")),
  row(ORIGIN, ["signed"], "*", "*", refuse("SIGNATURE_MISSING", "not-signed")),
  row(["same-origin"], "*", "*", "*", accept("transport", "same-origin", "as it is")),
  row(["other-origin"], "*", "*", "*", refuse("NOT_THE_OWNER", "other-origin")),
];

/** Where a resource stands to the tree's manifest. */
export type ResourcePlace =
  /** The manifest lists it, and its digest is right. */
  | "listed"
  /** It is below the manifest's base, but not in it. */
  | "unlisted"
  /** The tree has no manifest. */
  | "no-manifest"
  /** It is not below the manifest's base: settings name another place. */
  | "elsewhere";

export interface ResourceRow {
  readonly place: OneOf<ResourcePlace>;
  readonly isTainted: boolean | "*";
  /** How the tree was accepted. */
  readonly tree: OneOf<"signature" | "transport" | "lab">;
  readonly policy: OneOf<Policy>;
  /** `keys` and `free` differ in nothing here: the worth of the resource's own signature has the owner in it. */
  readonly latch: OneOf<LatchState>;
  readonly signature: OneOf<SignatureWorth>;
  readonly channel: OneOf<ChannelWorth>;
  readonly then: Accepted | Refused;
}

type ResourceConditions = Partial<Omit<ResourceRow, "then">>;

/** For a resource of a tree that was accepted. */
export const RESOURCE_TABLE: readonly ResourceRow[] = [
  // Whoever answers DHCP chose this one: no proof of what it is says that it is for this device.
  resource({ isTainted: true, policy: ["any"], latch: ["free"] }, accept("lab", "laboratory", "as it is")),
  resource({ isTainted: true }, refuse("UNTRUSTED", "resource-tainted")),

  resource({ place: ["listed"], tree: ["signature"] }, accept("signature", "listed", "as it is")),
  resource(
    { place: ["listed"], tree: ["transport"], policy: ["authentic", "any"] },
    accept("transport", "listed", "as it is"),
  ),

  resource(
    { place: ["elsewhere"], latch: ["free", "keys"], signature: ["enough"] },
    accept("signature", "signed", "as it is"),
  ),
  resource(
    { place: ["elsewhere"], signature: ["enough"], channel: ["own", "unproven"] },
    accept("signature", "signed", "as it is"),
  ),
  // The latch is not asked here: the owner's settings say where, no network does, and the server proved that it is the one.
  resource(
    {
      place: ["elsewhere"],
      policy: ["authentic", "any"],
      signature: ["few", "stranger", "unknown", "none"],
      channel: ["own"],
    },
    accept("transport", "own-source", "as it is"),
  ),
  resource(
    {
      place: ["no-manifest"],
      tree: ["transport"],
      policy: ["authentic", "any"],
      latch: ["free", "same-origin"],
      channel: ["own"],
    },
    accept("transport", "own-source", "as it is"),
  ),

  // Laboratory, and nobody owns the device.
  resource({ policy: ["any"], latch: ["free"] }, accept("lab", "laboratory", "as it is")),

  resource({ place: ["unlisted"] }, refuse("UNTRUSTED", "resource-not-listed")),
  resource({ place: ["elsewhere"], signature: ["wrong"] }, refuse("SIGNATURE_WRONG", "signature-wrong")),
  resource({ place: ["elsewhere"], signature: ["few"] }, refuse("SIGNATURES_TOO_FEW", "signatures-too-few")),
  resource({ place: ["elsewhere"], signature: ["unknown"] }, refuse("SIGNATURE_WRONG", "signer-unknown")),
  resource({ place: ["elsewhere"], signature: ["stranger"] }, refuse("NOT_THE_OWNER", "signer-not-the-owner")),
  resource({ place: ["elsewhere"], policy: ["signed"] }, refuse("SIGNATURE_MISSING", "not-signed")),
  resource({ latch: ["other-origin"] }, refuse("NOT_THE_OWNER", "other-origin")),
  resource({ channel: ["foreign"] }, refuse("UNTRUSTED", "source-not-ours")),
  resource({ channel: ["unproven"] }, refuse("UNTRUSTED", "transport-unproven")),
  resource({}, refuse("UNTRUSTED", "resource-unproven")),
];

function row(
  latch: OneOf<LatchState>,
  policy: OneOf<Policy>,
  signature: OneOf<SignatureWorth>,
  channel: OneOf<ChannelWorth>,
  then: Accepted | Refused,
): TrustRow {
  return { latch, policy, signature, channel, then };
}

function resource(conditions: ResourceConditions, then: Accepted | Refused): ResourceRow {
  const all = { place: "*", isTainted: "*", tree: "*", policy: "*", latch: "*", signature: "*", channel: "*" } as const;
  return { ...all, ...conditions, then };
}

function accept(by: Accepted["accept"], reason: string, latch: Accepted["latch"]): Accepted {
  return { accept: by, reason, latch };
}

function refuse(code: ErrorCode, reason: string): Refused {
  return { refuse: code, reason };
}
