import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeSample } from "../../src/probe/sample.ts";
import { FRAME, writeWav } from "../../src/probe/wav.ts";
import { drawPage } from "./page.ts";
import { hear, score, scoreBy } from "./score.ts";
import { isResult, openStore, parseProbe } from "./store.ts";

const SENT = makeSample();
const PACKETS = SENT.length / FRAME;
const NOTHING = { rtt: undefined, jitter: undefined };

/** What Asterisk makes of a sound of which some packets did not come, with silence before and after. */
function recorded(lost: ReadonlySet<number>, lead = 25, shift = 0): Int16Array {
  const came = new Int16Array(lead * FRAME + shift + SENT.length + 3 * FRAME);
  for (let packet = 0; packet < PACKETS; packet++) {
    if (lost.has(packet)) continue;
    came.set(SENT.subarray(packet * FRAME, (packet + 1) * FRAME), lead * FRAME + shift + packet * FRAME);
  }
  return came;
}

test("what did not come is found, however much, wherever, and wherever the recording begins", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(PACKETS - 1), { maxLength: 200 }),
      fc.nat(60),
      fc.nat(FRAME - 1),
      (lost, lead, shift) => {
        const { loss } = hear(SENT, recorded(new Set(lost), lead, shift));
        expect(Math.abs(loss - lost.length / PACKETS)).toBeLessThan(0.002);
      },
    ),
    { numRuns: 25 },
  );
});

test("a clean recording is whole; a silent or empty one holds nothing", () => {
  expect(hear(SENT, SENT)).toMatchObject({ loss: 0, burst: 0, level: 0, length: 10_000 });
  expect(hear(SENT, new Int16Array(80_000)).loss).toBe(1);
  expect(hear(SENT, new Int16Array(0)).loss).toBe(1);
  expect(score(hear(SENT, new Int16Array(0)), NOTHING, true)).toBe(1);
});

test("what is cut off at an end is missing, too", () => {
  expect(hear(SENT, SENT.subarray(0, 40_000)).loss).toBeCloseTo(0.5, 5);
});

test("losses in bursts are heard as such, and score lower than as many one by one", () => {
  const single = new Set(Array.from({ length: 50 }, (_, at) => at * 10 + 3));
  const bursts = new Set(
    Array.from({ length: 10 }, (_, at) => at * 50 + 10).flatMap((first) => [0, 1, 2, 3, 4].map((more) => first + more)),
  );
  const [one, five] = [hear(SENT, recorded(single)), hear(SENT, recorded(bursts))];
  expect(one).toMatchObject({ burst: 1 });
  expect(five).toMatchObject({ burst: 5 });
  expect(one.loss).toBeCloseTo(five.loss, 3);
  expect(score(five, NOTHING, true)).toBeLessThan(score(one, NOTHING, true));
});

test("a quieter recording is told as such", () => {
  expect(
    hear(
      SENT,
      SENT.map((one) => Math.trunc(one / 2) || 1),
    ).level,
  ).toBeCloseTo(-6, 0);
});

test("another program may judge: by words, without a shell; what it says must be a MOS", async () => {
  const folder = mkdtempSync(join(tmpdir(), "scorer-"));
  const ref = join(folder, "a b;$(id).wav");
  writeFileSync(ref, "x");
  const says = (script: string) => scoreBy([process.execPath, "-e", script, "{ref}", "{deg}"], ref, "/d.wav");
  expect(await says(`console.log("MOS of", process.argv[1] === ${JSON.stringify(ref)} ? 3.25 : 9)`)).toBe(3.25);
  expect(await says("console.log(42)")).toBeUndefined();
  expect(await says("console.log('no number')")).toBeUndefined();
  expect(await says("process.exit(1)")).toBeUndefined();
  expect(await scoreBy(["/nonesuch"], "a", "b")).toBeUndefined();
});

test("what came once stays; the same again is fine, something else is a conflict", () => {
  const store = openStore(mkdtempSync(join(tmpdir(), "collector-")));
  const bytes = writeWav(SENT.subarray(0, 1600));
  expect(store.keep("a", "1700000000.b.wav", bytes)).toBe("new");
  expect(store.keep("a", "1700000000.b.wav", bytes)).toBe("same");
  expect(store.keep("a", "1700000000.b.wav", Buffer.from("x"))).toBe("conflict");
  expect(() => store.keep("a", "../../x.wav", bytes)).toThrow();
});

test("probes and results with wrong fields are none", () => {
  expect(parseProbe('{"name":"Brno","port":5060}', "brno", "192.0.2.7")).toMatchObject({ id: "brno", label: "Brno" });
  for (const text of ["", "[]", '{"name":"a\\nb","port":5060}', '{"name":"a","port":"5060"}', '{"name":"a"}'])
    expect(parseProbe(text, "brno", "192.0.2.7")).toBeUndefined();
  const result = {
    version: 1,
    round: 1_700_000_000,
    partner: "b",
    state: "measured",
    measured: { mos: 4, loss: 0, jitter: 0 },
  };
  expect(isResult(JSON.stringify(result), "1700000000", "b")).toBe(true);
  for (const wrong of [
    { round: 1 },
    { partner: "c" },
    { state: "<b>" },
    { measured: { mos: "<script>" } },
    { version: 2 },
  ])
    expect(isResult(JSON.stringify({ ...result, ...wrong }), "1700000000", "b")).toBe(false);
});

test("names on the page are text, whatever is in them", () => {
  const page = drawPage({
    generated: "now",
    probes: [{ id: "a", label: `</title><script>alert("x")</script>&` }],
    links: [{ from: "a", to: "b", round: 1, state: "failed", rounds: 1, measured: 0 }],
  });
  expect(page).not.toContain("<script");
  expect(page).toContain("&#60;script&#62;");
});
