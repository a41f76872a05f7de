/** A confirmed tree that the server, or the beacon, says is the same: whether it has expired meanwhile, by a clock that may be wrong. */
import { describe, expect, test } from "vitest";
import type { Device, RunContext } from "../../src/context.ts";
import { unchangedByBeacon } from "../../src/stages/beacon.ts";
import { inputsOf } from "../../src/stages/fetch/inputs.ts";
import { fetchTree } from "../../src/stages/fetch.ts";
import { noteFullCheck } from "../../src/stages/full-check.ts";
import type { Source } from "../../src/stages/geturi.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";

const EXPIRES = Date.UTC(2026, 11, 1);
const DAY = 86_400_000;

/** Looks at the tree by beacon and by a conditional request; codes of errors, or the kind of answer. */
async function looks(now: number, isClockProven: boolean, floor = 0): Promise<readonly unknown[]> {
  const ctx: RunContext = aRunContext({ clock: aClock(now), isClockProven: () => isClockProven });
  for (const folder of ["/var", "/var/run", "/var/run/uciprov"]) ctx.disk.makeDirectory(folder, 0o755);
  const base = { text: "https://cfg.example/tree", isTainted: false, used: new Set<string>() };
  const source: Source = { resolver: "dns", evidence: "none", base, macros: new Map(), beacon: "42", answers: [] };
  const bare = aDevice();
  const confirmed = {
    base: base.text,
    resolver: "dns",
    tree: "fleet",
    serial: 1,
    digest: "aa",
    etag: '"one"',
    modified: undefined,
    expires: EXPIRES,
    inputs: inputsOf(bare, [], [], undefined),
    at: 0,
  };
  const device: Device = {
    ...bare,
    state: { ...bare.state, confirmed, floor },
    http: {
      get: async ({ uri }) => ({ kind: "not-modified", uri, transport: TRANSPORT }),
      close: async () => undefined,
    },
  };
  noteFullCheck(ctx, { beacon: "42", digest: "aa" });
  const asked = await fetchTree(ctx, device, source, []).then(
    ({ kind }) => kind,
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
  return [unchangedByBeacon(ctx, device, source, [])?.kind, asked];
}

const TRANSPORT = { scheme: "https", host: "cfg.example", port: 443, proof: { kind: "ca", fingerprint: "" } } as const;

describe("a confirmed tree that expires", () => {
  test("is as it was until then", async () => {
    expect(await looks(EXPIRES - DAY, true)).toEqual(["unchanged", "unchanged"]);
  });

  test("has expired by a clock that is proven right", async () => {
    expect(await looks(EXPIRES + DAY, true)).toEqual([undefined, "MANIFEST_EXPIRED"]);
  });

  test("has not by one that nothing has set: it may stand anywhere", async () => {
    expect(await looks(EXPIRES + 9999 * DAY, false)).toEqual(["unchanged", "unchanged"]);
  });

  test("has by what has surely passed, whatever the clock says", async () => {
    expect(await looks(EXPIRES - 9 * DAY, false, EXPIRES + DAY)).toEqual([undefined, "MANIFEST_EXPIRED"]);
    expect(await looks(EXPIRES - 9 * DAY, true, EXPIRES + DAY)).toEqual([undefined, "MANIFEST_EXPIRED"]);
  });
});
