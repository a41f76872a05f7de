/**
 * Every combination, against statements of design §5 that know nothing of the table: each is written from the question's raw facts.
 */
import { expect, test } from "vitest";
import type { EvidenceKind, Transport } from "../../src/api.ts";
import { ERRORS } from "../../src/errors.ts";
import { TRUST_TABLE } from "../../src/trust/table.ts";
import { judge, type Latch, type Policy, type SignatureFacts, type TrustQuestion } from "../../src/trust.ts";

const A = "aaaaaaaaaaaaaaaa";
const B = "bbbbbbbbbbbbbbbb";
const C = "cccccccccccccccc";

const POLICIES: readonly Policy[] = ["authentic", "signed", "any"];
const SOURCES = (["local", "tls", "dnssec", "none"] satisfies EvidenceKind[]).flatMap((evidence) =>
  [false, true].map((isBaseTainted) => ({ resolver: "test", evidence, isBaseTainted })),
);
const PROOFS: readonly Transport["proof"][] = [
  { kind: "none" },
  { kind: "ca", fingerprint: "" },
  { kind: "ca", fingerprint: "own-ca" },
  { kind: "pin", fingerprint: "own-ca" },
  { kind: "tlsa", fingerprint: "." },
  { kind: "tlsa", fingerprint: "example" },
];
const PROVEN = { kind: "tlsa", fingerprint: "." } as const;
const TRANSPORTS: readonly Transport[] = ["cfg.example", "other.example"].flatMap((host): Transport[] => [
  ...PROOFS.map((proof): Transport => ({ scheme: "https", host, port: 443, proof })),
  { scheme: "https", host, port: 443, proof: PROVEN, alsoProven: [{ kind: "ca", fingerprint: "own-ca" }] },
  // No client says that http is proven; were it said, it would not count.
  ...PROOFS.slice(0, 3).map((proof): Transport => ({ scheme: "http", host, port: 443, proof })),
]);
const facts = (valid: string[], unknown: string[], wrong: string[], threshold: number): SignatureFacts => ({
  valid: new Set(valid),
  unknown,
  wrong,
  threshold,
});
const SIGNATURES: readonly (SignatureFacts | undefined)[] = [
  undefined,
  ...[1, 2].flatMap((threshold) =>
    [[], [A], [B], [A, B], [A, B, C]].flatMap((valid) =>
      [[], ["dddddddddddddddd"]].flatMap((unknown) =>
        [[], ["eeeeeeeeeeeeeeee"]].map((wrong) => facts(valid, unknown, wrong, threshold)),
      ),
    ),
  ),
];
const LATCHES: readonly (Latch | undefined)[] = [
  undefined,
  { kind: "keys", fingerprints: [A], threshold: 1 },
  { kind: "keys", fingerprints: [A, C], threshold: 2 },
  { kind: "keys", fingerprints: ["ffffffffffffffff"], threshold: 1 },
  { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "own-ca" } },
  { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "" } },
  { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "pin", fingerprint: "own-ca" } },
  { kind: "origin", host: "cfg.example", port: 8443, proof: { kind: "ca", fingerprint: "own-ca" } },
  { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "tlsa", fingerprint: "." } },
];

function* everything(): Generator<TrustQuestion> {
  for (const source of SOURCES)
    for (const transport of TRANSPORTS)
      for (const isHostAllowed of [false, true])
        for (const signatures of SIGNATURES)
          for (const latch of LATCHES)
            for (const policy of POLICIES) yield { source, transport, isHostAllowed, signatures, latch, policy };
}

// What design §5 says, from the raw facts.
const isSigned = ({ signatures }: TrustQuestion) =>
  signatures !== undefined && signatures.valid.size >= signatures.threshold;
const isOurs = ({ source, isHostAllowed }: TrustQuestion) =>
  isHostAllowed || (["local", "tls", "dnssec"].includes(source.evidence) && !source.isBaseTainted);
const isProven = ({ transport }: TrustQuestion) => transport.scheme === "https" && transport.proof.kind !== "none";
const isOwnersSignature = ({ signatures, latch }: TrustQuestion) =>
  latch?.kind === "keys" && latch.fingerprints.filter((key) => signatures?.valid.has(key)).length >= latch.threshold;
const isOwnersOrigin = ({ transport, latch }: TrustQuestion) =>
  latch?.kind === "origin" &&
  transport.host === latch.host &&
  transport.port === latch.port &&
  [transport.proof, ...(transport.alsoProven ?? [])].some(
    (proof) => proof.kind === latch.proof.kind && proof.fingerprint === latch.proof.fingerprint,
  );

type Statement = (question: TrustQuestion, verdict: ReturnType<typeof judge>) => boolean;

/** Each is true of every verdict. `a(…) || b(…)` reads: if not a, then b. */
const STATEMENTS: Readonly<Record<string, Statement>> = {
  "accepted but by `any` is authentic: signed enough, or ours and proven": (q, v) =>
    !v.accepted || v.by === "lab" || isSigned(q) || (isOurs(q) && isProven(q)),
  "by signature means signed enough": (q, v) => !v.accepted || v.by !== "signature" || isSigned(q),
  "by transport means ours and proven, and never under `signed`": (q, v) =>
    !v.accepted || v.by !== "transport" || (isOurs(q) && isProven(q) && q.policy !== "signed"),
  "`signed` asks for signatures": (q, v) => q.policy !== "signed" || !v.accepted || v.by === "signature",
  "laboratory is `any` on a device that nobody owns": (q, v) =>
    !v.accepted || v.by !== "lab" || (q.policy === "any" && q.latch === undefined),
  "`any` on a device that nobody owns accepts everything": (q, v) =>
    q.policy !== "any" || q.latch !== undefined || v.accepted,
  "`any` never writes an owner down": (q, v) => q.policy !== "any" || !v.accepted || v.latch === undefined,
  "unsigned http is laboratory": (q, v) =>
    !v.accepted || q.transport.scheme === "https" || isSigned(q) || v.by === "lab",
  "after a latch to keys only what those keys signed loads": (q, v) =>
    q.latch?.kind !== "keys" || !v.accepted || (isOwnersSignature(q) && v.by === "signature"),
  "a latch to keys stays": (q, v) => q.latch?.kind !== "keys" || !v.accepted || v.latch === undefined,
  "after a latch to an origin only that origin loads, or a signed tree from an own source that proved itself": (q, v) =>
    q.latch?.kind !== "origin" ||
    !v.accepted ||
    (isOurs(q) && isProven(q) && (isOwnersOrigin(q) || (v.by === "signature" && isSigned(q)))),
  "a latch to an origin moves to keys or nowhere": (q, v) =>
    q.latch?.kind !== "origin" || !v.accepted || v.latch === undefined || (v.latch.kind === "keys" && isSigned(q)),
  "a signed tree from an own source that proved itself takes over from an origin": (q, v) =>
    !(q.latch?.kind === "origin" && isSigned(q) && isOurs(q) && isProven(q)) ||
    (v.accepted && v.by === "signature" && (q.policy === "any" || v.latch?.kind === "keys")),
  "a new owner by keys is exactly who signed, with the threshold of that day": (q, v) =>
    !v.accepted ||
    v.latch?.kind !== "keys" ||
    (v.by === "signature" &&
      v.latch.threshold === q.signatures?.threshold &&
      v.latch.fingerprints.join() === [...(q.signatures?.valid ?? [])].sort().join()),
  "a new owner by origin is exactly who answered, with proof": (q, v) =>
    !v.accepted ||
    v.latch?.kind !== "origin" ||
    (v.by === "transport" &&
      isOwnersOrigin({ ...q, latch: v.latch }) &&
      q.transport.scheme === "https" &&
      q.latch === undefined),
  "outside the laboratory the first confirmation always has an owner to write": (q, v) =>
    !v.accepted || q.latch !== undefined || q.policy === "any" || v.latch !== undefined,
  "signed enough is accepted wherever nobody owns the device": (q, v) =>
    q.latch !== undefined || !isSigned(q) || v.accepted,
  "ours and proven is accepted under `authentic` wherever nobody owns the device, but with a signature that is wrong": (
    q,
    v,
  ) =>
    q.latch !== undefined ||
    q.policy !== "authentic" ||
    !(isOurs(q) && isProven(q)) ||
    v.accepted ||
    (v.code === "SIGNATURE_WRONG" && (q.signatures?.wrong.length ?? 0) > 0),
  "what the owner's keys signed enough is accepted from anywhere, under every policy": (q, v) =>
    !(isOwnersSignature(q) && isSigned(q)) || v.accepted,
  "the owner's origin goes on, under `authentic` and `any`": (q, v) =>
    !(isOwnersOrigin(q) && isOurs(q) && isProven(q)) ||
    q.policy === "signed" ||
    v.accepted ||
    v.code === "SIGNATURE_WRONG",
  "a latch never opens what is closed without it": (q, v) => !v.accepted || judge({ ...q, latch: undefined }).accepted,
  "`signed` never opens what `authentic` closes, nor `authentic` what `any` closes": (q, v) =>
    !v.accepted ||
    ((q.policy !== "signed" || judge({ ...q, policy: "authentic" }).accepted) &&
      (q.policy !== "authentic" || judge({ ...q, policy: "any" }).accepted)),
  "what was accepted is accepted again by the owner it wrote": (q, v) =>
    !v.accepted || v.latch === undefined || judge({ ...q, latch: v.latch }).accepted,
  "who answers DHCP, DNS and LLDP and can sign nothing gets nothing loaded but in the laboratory": (q, v) =>
    isSigned(q) || q.isHostAllowed || q.source.evidence !== "none" || !v.accepted || v.by === "lab",
  "every refusal is exit 4": (_, v) => v.accepted || ERRORS[v.code].exit === "trust-refused",
};

test("every combination keeps every statement, and every row of the table is reached and gives its own reason", () => {
  const seen = new Set<string>();
  const held = new Map(Object.keys(STATEMENTS).map((name) => [name, 0]));
  let [combinations, accepted] = [0, 0];
  for (const question of everything()) {
    const verdict = judge(question);
    combinations += 1;
    seen.add(`${verdict.accepted} ${verdict.reason}`);
    accepted += verdict.accepted ? 1 : 0;
    for (const [name, holds] of Object.entries(STATEMENTS)) {
      if (!holds(question, verdict))
        throw new Error(`not kept: ${name}\n${JSON.stringify({ question, verdict }, null, 1)}`);
      held.set(name, (held.get(name) ?? 0) + 1);
    }
  }
  expect(combinations).toBe(8 * 20 * 2 * 41 * 9 * 3);
  expect(accepted).toBeGreaterThan(10_000);
  expect(accepted).toBeLessThan(combinations / 2);
  const told = new Set(TRUST_TABLE.map(({ then }) => `${!("refuse" in then)} ${then.reason}`));
  expect([...seen].sort()).toEqual([...told].sort());
});

// ---------------------------------------------------------------- the cases people meet, one by one

const proven: Transport = { scheme: "https", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "" } };
const plain: Transport = { scheme: "http", host: "cfg.example", port: 80, proof: { kind: "none" } };
const question = (changes: Partial<TrustQuestion>): TrustQuestion => ({
  source: { resolver: "dns", evidence: "none", isBaseTainted: false },
  transport: proven,
  isHostAllowed: false,
  signatures: undefined,
  latch: undefined,
  policy: "authentic",
  ...changes,
});
const own = { resolver: "static", evidence: "local", isBaseTainted: false } as const;
const refusal = (changes: Partial<TrustQuestion>) => {
  const verdict = judge(question(changes));
  return verdict.accepted ? "accepted" : verdict.code;
};

test("who only answers DNS is not believed, TLS or not", () => {
  expect(refusal({})).toBe("UNTRUSTED");
  expect(refusal({ transport: plain })).toBe("UNTRUSTED");
});

test("an own URI with the network's domain in it is the network's", () => {
  expect(refusal({ source: { ...own, isBaseTainted: true } })).toBe("UNTRUSTED");
  expect(refusal({ source: own })).toBe("accepted");
});

test("a signed tree may come by http from anybody", () => {
  expect(judge(question({ transport: plain, signatures: facts([B, A], [], [], 2) }))).toEqual({
    accepted: true,
    by: "signature",
    reason: "signed",
    latch: { kind: "keys", fingerprints: [A, B], threshold: 2 },
  });
});

test("each way to sign badly has its own code", () => {
  expect(refusal({ signatures: facts([A], [], [], 2) })).toBe("SIGNATURES_TOO_FEW");
  expect(refusal({ signatures: facts([], [], [A], 1) })).toBe("SIGNATURE_WRONG");
  expect(refusal({ signatures: facts([], [C], [], 1) })).toBe("SIGNATURE_WRONG");
  expect(refusal({ policy: "signed", source: own })).toBe("SIGNATURE_MISSING");
  const latch: Latch = { kind: "keys", fingerprints: [A], threshold: 1 };
  expect(refusal({ latch, source: own })).toBe("SIGNATURE_MISSING");
  expect(refusal({ latch, signatures: facts([B], [], [], 1) })).toBe("NOT_THE_OWNER");
  expect(refusal({ latch, signatures: facts([], [B], [], 1) })).toBe("NOT_THE_OWNER");
  expect(refusal({ latch, signatures: facts([], [], [A], 1) })).toBe("SIGNATURE_WRONG");
});

test("a threshold that is no positive number is never reached", () => {
  for (const threshold of [0, -1, Number.NaN]) {
    expect(refusal({ signatures: facts([A], [], [], threshold) })).not.toBe("accepted");
    expect(refusal({ signatures: facts([], [], [], threshold) })).not.toBe("accepted");
  }
  const latch: Latch = { kind: "keys", fingerprints: [], threshold: 0 };
  expect(refusal({ latch, signatures: facts([A], [], [], 1) })).not.toBe("accepted");
});

test("an origin that its zone vouched for stays the owner with another certificate, under the same trust anchor only", () => {
  const proof = { kind: "tlsa", fingerprint: "fleet.example" } as const;
  const byZone = { ...proven, proof };
  const verdict = judge(question({ source: own, transport: byZone }));
  expect(verdict).toMatchObject({ accepted: true, by: "transport", latch: { kind: "origin", proof } });
  const latch: Latch = { kind: "origin", host: "cfg.example", port: 443, proof };
  expect(refusal({ latch, source: own, transport: byZone })).toBe("accepted");
  expect(refusal({ latch, source: own, transport: { ...byZone, proof: { ...proof, fingerprint: "." } } })).toBe(
    "NOT_THE_OWNER",
  );
  expect(refusal({ latch, source: own, transport: proven })).toBe("NOT_THE_OWNER");
});

test("who was proven by a CA stays the owner when TLSA records come on top, and the other way round", () => {
  const ca = { kind: "ca", fingerprint: "own-ca" } as const;
  const tlsa = { kind: "tlsa", fingerprint: "." } as const;
  const both: Transport = { ...proven, proof: tlsa, alsoProven: [ca] };
  for (const proof of [ca, tlsa]) {
    const latch: Latch = { kind: "origin", host: "cfg.example", port: 443, proof };
    expect(refusal({ latch, source: own, transport: both })).toBe("accepted");
  }
  expect(judge(question({ source: own, transport: both }))).toMatchObject({ latch: { proof: tlsa } });
});

test("another CA, port or host than the owner's is another origin", () => {
  const latch: Latch = { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "" } };
  expect(refusal({ latch, source: own })).toBe("accepted");
  expect(refusal({ latch, source: own, transport: { ...proven, host: "CFG.example" } })).toBe("accepted");
  expect(refusal({ latch, source: own, transport: { ...proven, port: 8443 } })).toBe("NOT_THE_OWNER");
  expect(refusal({ latch, source: own, transport: { ...proven, host: "cfg.example.evil" } })).toBe("NOT_THE_OWNER");
  const pinned = { kind: "pin", fingerprint: "" } as const;
  expect(refusal({ latch, source: own, transport: { ...proven, proof: pinned } })).toBe("NOT_THE_OWNER");
});
