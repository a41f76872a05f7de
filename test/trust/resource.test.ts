import { expect, test } from "vitest";
import type { Transport } from "../../src/api.ts";
import { ERRORS } from "../../src/errors.ts";
import { RESOURCE_TABLE } from "../../src/trust/table.ts";
import { judgeResource, type Latch, type ResourceQuestion, type SignatureFacts } from "../../src/trust.ts";

const A = "aaaaaaaaaaaaaaaa";
const B = "bbbbbbbbbbbbbbbb";
const facts = (valid: string[], unknown: string[], wrong: string[], threshold = 1): SignatureFacts => ({
  valid: new Set(valid),
  unknown,
  wrong,
  threshold,
});
const proven: Transport = { scheme: "https", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "x" } };
const origin: Latch = { kind: "origin", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "x" } };

function* everything(): Generator<ResourceQuestion> {
  for (const place of ["listed", "unlisted", "no-manifest", "elsewhere"] as const)
    for (const isTainted of [false, true])
      for (const tree of ["signature", "transport", "lab"] as const)
        for (const policy of ["authentic", "signed", "any"] as const)
          for (const latch of [undefined, { kind: "keys", fingerprints: [A], threshold: 1 }, origin] as const)
            for (const ownSignatures of [
              undefined,
              facts([A], [], []),
              facts([A], [], [], 2),
              facts([B], [], []),
              facts([], [B], []),
              facts([], [], [B]),
              facts([A], [B], [B]),
            ])
              for (const evidence of ["local", "none"] as const)
                for (const isHostAllowed of [false, true])
                  for (const transport of [
                    proven,
                    { ...proven, host: "cdn.example" },
                    { ...proven, proof: { kind: "none" } },
                    { ...proven, scheme: "http" },
                  ] satisfies Transport[])
                    yield {
                      place,
                      isTainted,
                      tree,
                      policy,
                      latch,
                      ownSignatures,
                      source: { resolver: "test", evidence, isBaseTainted: false },
                      isHostAllowed,
                      transport,
                    };
}

const isSigned = ({ ownSignatures: own, latch }: ResourceQuestion) =>
  own !== undefined && own.valid.size >= own.threshold && (latch?.kind !== "keys" || own.valid.has(A));
const isOwn = ({ source, isHostAllowed, transport }: ResourceQuestion) =>
  (source.evidence === "local" || isHostAllowed) && transport.scheme === "https" && transport.proof.kind !== "none";

type Statement = (question: ResourceQuestion, verdict: ReturnType<typeof judgeResource>) => boolean;

const STATEMENTS: Readonly<Record<string, Statement>> = {
  "laboratory is `any` on a device that nobody owns": (q, v) =>
    !v.accepted || v.by !== "lab" || (q.policy === "any" && q.latch === undefined),
  "`any` on a device that nobody owns accepts everything": (q, v) =>
    q.policy !== "any" || q.latch !== undefined || v.accepted,
  "what the network chose is never authentic": (q, v) => !q.isTainted || !v.accepted || v.by === "lab",
  "what a signed manifest lists is signed": (q, v) =>
    q.place !== "listed" || q.tree !== "signature" || q.isTainted || (v.accepted && v.by === "signature"),
  "what is listed is at most as good as its manifest": (q, v) =>
    q.place !== "listed" || !v.accepted || v.by === q.tree || v.by === "lab",
  "what a manifest does not list is not there": (q, v) => q.place !== "unlisted" || !v.accepted || v.by === "lab",
  "elsewhere counts by its own signature, or as ours and proven": (q, v) =>
    q.place !== "elsewhere" ||
    !v.accepted ||
    v.by === "lab" ||
    (v.by === "signature" ? isSigned(q) : isOwn(q) && q.policy !== "signed"),
  "elsewhere, ours and proven is enough under `authentic`, but with a signature that is wrong": (q, v) =>
    q.place !== "elsewhere" ||
    q.isTainted ||
    q.policy !== "authentic" ||
    !isOwn(q) ||
    v.accepted ||
    (q.ownSignatures?.wrong.length ?? 0) > 0,
  "without a manifest nothing but transport proves anything": (q, v) =>
    q.place !== "no-manifest" ||
    !v.accepted ||
    v.by === "lab" ||
    (v.by === "transport" && isOwn(q) && q.tree === "transport" && q.policy !== "signed"),
  "without a manifest only the owner's origin goes on": (q, v) =>
    q.place !== "no-manifest" || q.latch === undefined || !v.accepted || (q.latch === origin && q.transport === proven),
  "`signed` takes nothing but signatures": (q, v) => q.policy !== "signed" || !v.accepted || v.by === "signature",
  "a resource never changes who owns the device": (_, v) => !v.accepted || v.latch === undefined,
  "a latch never opens what is closed without it": (q, v) =>
    !v.accepted || judgeResource({ ...q, latch: undefined }).accepted,
  "every refusal is exit 4": (_, v) => v.accepted || ERRORS[v.code].exit === "trust-refused",
};

test("every combination keeps every statement", () => {
  let [combinations, accepted] = [0, 0];
  for (const question of everything()) {
    const verdict = judgeResource(question);
    combinations += 1;
    accepted += verdict.accepted ? 1 : 0;
    for (const [name, holds] of Object.entries(STATEMENTS)) {
      if (!holds(question, verdict))
        throw new Error(`not kept: ${name}\n${JSON.stringify({ question, verdict }, null, 1)}`);
    }
  }
  expect(combinations).toBe(4 * 2 * 3 * 3 * 3 * 7 * 2 * 2 * 4);
  expect(accepted).toBeGreaterThan(1000);
  expect(accepted).toBeLessThan(combinations / 2);
});

test("every row of the table is reached", () => {
  const seen = new Set(
    [...everything()].map((question) => judgeResource(question)).map((v) => `${v.accepted} ${v.reason}`),
  );
  const told = new Set(RESOURCE_TABLE.map(({ then }) => `${!("refuse" in then)} ${then.reason}`));
  expect([...seen].sort()).toEqual([...told].sort());
});

test("who answers DHCP cannot hand over another device's signed configuration", () => {
  const verdict = judgeResource({
    place: "listed",
    isTainted: true,
    tree: "signature",
    policy: "authentic",
    latch: { kind: "keys", fingerprints: [A], threshold: 1 },
    ownSignatures: facts([A], [], []),
    source: { resolver: "static", evidence: "local", isBaseTainted: false },
    isHostAllowed: true,
    transport: proven,
  });
  expect(verdict).toEqual({ accepted: false, code: "UNTRUSTED", reason: "resource-tainted" });
});
