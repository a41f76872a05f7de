import { Session } from "node:inspector/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBatch } from "../../src/uci/batch.ts";
import { diffPackages } from "../../src/uci/diff.ts";
import { Draft } from "../../src/uci/draft.ts";
import { MergeTaker } from "../../src/uci/merge-taker.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { printConfig } from "../../src/uci/print.ts";
import { settle } from "../../src/uci/settle.ts";
import { printStaged, readStaged, replay } from "../../src/uci/staged.ts";
import { readStatements } from "../../src/uci/statements.ts";

/** Twice the input may cost this many times the work: sorting and trees take n log n, which is a little more than twice. */
const AT_MOST = 2.4;
const FEW = 400;

const JOBS: Readonly<Record<string, (count: number) => unknown>> = {
  "reading and printing named sections": (n) => printConfig(read(named(n))),
  "reading and printing anonymous sections": (n) => printConfig(read(anonymous(n))),
  "reading a section of many options": (n) => read(`config a 'b'\n${lines(n, (i) => `\toption o${i} '${i}'`)}`),
  "reading a section that is gone on with again and again": (n) =>
    read(lines(n, (i) => `config a 'b'\n\toption o${i} '${i}'\nconfig c '${i}'`)),
  "reading a long list": (n) => read(`config a 'b'\n${lines(n, (i) => `\tlist l '${i}'`)}`),
  "merging over the same names": (n) => settled(named(n), "merge", named(n, "new")),
  "merging new names": (n) => settled(named(n), "merge", named(n, "new", "other")),
  "merging anonymous sections": (n) => settled(anonymous(n), "merge", anonymous(n, "new")),
  "merging many options into one section": (n) =>
    settled("config a 'b'\n\toption x 'y'\n", "merge", `config a 'b'\n${lines(n, (i) => `\toption o${i} '${i}'`)}`),
  "replacing all": (n) => settled(named(n), "replace", named(n, "new", "other")),
  "replacing anonymous sections": (n) => settled(anonymous(n), "replace", anonymous(n, "new")),
  "comparing packages in another order": (n) =>
    diffPackages(read(named(n)), { name: "p", sections: [...read(named(n, "new")).sections].reverse() }),
  "setting options line by line": (n) => batch(n, (i) => `set p.s${i}.extra='x'`),
  "reordering from the end to the middle": (n) => batch(n, (i) => `reorder p.s${n - 1 - i}=${n >> 1}`),
  "reordering, and looking sections up by type in between": (n) =>
    batch(n, (i) => `reorder p.s${i}=${n - 1}\nset p.@t[${i}].extra='x'\nset p.@t[-1].extra='y'`),
  "renaming all to one name, and using that": (n) => batch(n, (i) => `rename p.s${n - 1 - i}=one\nset p.one.x='${i}'`),
  "renaming to one name, moving and deleting": (n) =>
    batch(n, (i) => `rename p.s${i}=one\nreorder p.one=${n - 1}${i % 2 === 0 ? "\ndelete p.one" : ""}`),
  "deleting from the middle by index": (n) => batch(n >> 1, () => `delete p.@t[${n >> 2}]`, n),
  "adding and removing by turns": (n) => batch(n, () => "add p t\nset p.@t[-1].x='y'\ndelete p.@t[3]"),
  "staging a merge, and reading back what was staged": (n) => {
    const draft = new Draft(read(named(n)));
    const taker = new MergeTaker(draft);
    readStatements(named(n, "new", "other") + anonymous(n), taker, { hasPackage: true, isSingle: true });
    const text = taker.changes.map((change) => printStaged("p", change)).join("");
    const again = new Draft(read(named(n)));
    for (const line of readStaged(text)) if (line !== undefined) replay(again, line);
    return printConfig(again.package());
  },
};

const session = new Session();

beforeAll(async () => {
  session.connect();
  await session.post("Profiler.enable");
  // Once for all: started again, V8 counts calls only.
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
});

afterAll(() => session.disconnect());

describe("The work of the engine, counted in what V8 executes,", () => {
  it.each(Object.entries(JOBS))("at most about doubles with the input: %s", async (_name, job) => {
    const small = await countWork(() => job(FEW));
    const large = await countWork(() => job(2 * FEW));
    expect(small).toBeGreaterThan(FEW);
    expect(large / small).toBeGreaterThan(1.5);
    expect(large / small).toBeLessThan(AT_MOST);
  });

  it("is seen to grow where it is quadratic", async () => {
    const chain = (n: number) => {
      const draft = new Draft(read(named(n)));
      for (let i = 0; i < n; i++) for (const section of draft.sections) if (section.name === "none") return;
    };
    const small = await countWork(() => chain(FEW));
    expect((await countWork(() => chain(2 * FEW))) / small).toBeGreaterThan(3);
  });
});

/** How often the blocks of the engine's code are entered meanwhile, by V8's own count. */
async function countWork(job: () => unknown): Promise<number> {
  await takeCount();
  job();
  return takeCount();
}

/** What was counted since it was last asked. */
async function takeCount(): Promise<number> {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result
    .filter(({ url }) => url.includes("/src/uci/"))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    .reduce((sum, { count }) => sum + count, 0);
}

function batch(n: number, line: (i: number) => string, sections = n): unknown {
  const content = parseBatch(lines(n, line));
  const result = settle(read(named(sections)), undefined, [{ mode: "batch", content, origin: "test" }], []);
  expect(result.findings).toEqual([]);
  return printConfig(result.desired);
}

/** Merges, once more with the record, and takes all back. */
function settled(current: string, mode: "merge" | "replace", layer: string): unknown {
  const layers = [{ mode, content: read(layer), origin: "test" }];
  const once = settle(read(current), undefined, layers, []);
  const twice = settle(once.desired, once.record, layers, []);
  return settle(twice.desired, twice.record, [], []);
}

function read(text: string) {
  return parsePackage(text, { name: "p" });
}

function named(n: number, value = "value", name = "s"): string {
  return lines(n, (i) => `config t '${name}${i}'\n\toption a '${value} ${i}'\n\tlist l 'one'\n\tlist l '${value}'`);
}

function anonymous(n: number, value = "value"): string {
  return lines(n, (i) => `config t\n\toption name 'name ${i >> 1}'\n\toption a '${value} ${i}'`);
}

function lines(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => `${line(i)}\n`).join("");
}
