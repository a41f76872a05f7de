// Seeded fuzzing of the UCI engine: `npm run fuzz:uci -- [EXECUTIONS] [SEED]`. Inputs grow out of a corpus: one that makes
// the engine give an answer of a new shape is kept and mutated further. Prints the seed of whatever goes wrong.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const EXECUTIONS = Number(process.argv[2] ?? 100_000);
const SEED = Number(process.argv[3] ?? 1);
const SOURCE = fileURLToPath(new URL("../src/uci/", import.meta.url));
const GOLDEN = fileURLToPath(new URL("../fixtures/uci-golden/", import.meta.url));
const MAX_INPUT = 65_536;
const HANG = 1_000;
const MAX_CORPUS = 4_000;

const engine = await load();
const corpus = seeds();
const shapes = new Set();
const TARGETS = { parse, exported, staged, batch, merge, settled, lenient };
const counts = Object.fromEntries(Object.keys(TARGETS).map((name) => [name, 0]));
let slowest = 0;

let state = SEED >>> 0 || 1;

const WORDS = [
  ..."'\"\\#;\n\r\t \0=.@[]+-^|~\u000b\u00ff",
  ..."\\\n,'\\'',\r\n,\tlist l ',\toption name ',\nconfig rule,\nconfig rule 'one'\n,package p\n,cfg01".split(","),
  ..."set firewall.,delete firewall.,add firewall rule\n,rename firewall.one=two\n,reorder firewall.one=0\n,add_list firewall.one.l=x\n".split(
    ",",
  ),
  ..."del_list firewall.one.l=x\n,@rule[0],@rule[-1],@zone[0].name=x\n,firewall.one=rules\n,+firewall.cfg07=,^firewall.one='0'\n,|firewall.one.l='a'\n".split(
    ",",
  ),
];

const began = performance.now();
for (let i = 0; i < EXECUTIONS; i++) run(i);
const seconds = (performance.now() - began) / 1000;
console.log(
  `${EXECUTIONS} executions from seed ${SEED} in ${seconds.toFixed(0)} s: no fault. ` +
    `${shapes.size} shapes of answers, corpus ${corpus.length}, slowest ${slowest.toFixed(0)} ms. ${JSON.stringify(counts)}`,
);

function run(i) {
  const seedOfThis = state;
  const name = pick(Object.keys(TARGETS));
  const input = mutate(pick(corpus));
  const from = performance.now();
  let shape;
  try {
    shape = TARGETS[name](input);
  } catch (thrown) {
    if (!(thrown instanceof engine.UciFault || thrown instanceof engine.ProvisionError))
      fail(name, i, seedOfThis, input, thrown);
    shape = `${thrown.status ?? thrown.code}: ${String(thrown.message).replace(/"[^"]*"|\d+/g, "")}`;
  }
  let took = performance.now() - from;
  // A busy machine may stop us for a while: what takes long takes long again.
  if (took > HANG) took = timeAgain(name, input);
  slowest = Math.max(slowest, took);
  counts[name]++;
  if (took > HANG) fail(name, i, seedOfThis, input, new Error(`took ${took} ms`));
  const key = `${name} ${shape}`;
  if (shapes.has(key)) return;
  shapes.add(key);
  if (corpus.length < MAX_CORPUS) corpus.push(input);
}

function timeAgain(name, input) {
  const from = performance.now();
  try {
    TARGETS[name](input);
  } catch {
    // the first time has told what it was
  }
  return performance.now() - from;
}

function parse(input) {
  const pkg = engine.parsePackage(Buffer.from(input, "latin1"), { name: "p" });
  const printed = engine.printConfig(pkg);
  // libuci prints types bare, and so do we: docs/uci.md.
  if (!pkg.sections.every(({ type }) => engine.isPrintableType(type))) return "odd type";
  const again = engine.parsePackage(printed, { name: "p" });
  same(engine.printConfig(again), printed, "parse(print(x)) = x");
  same(JSON.stringify(again), JSON.stringify(pkg), "the model survives printing");
  return shapeOf(pkg);
}

function lenient(input) {
  let faults = 0;
  const rules = { name: "p", isLenient: true, readsNul: true, onFault: () => faults++ };
  const pkg = engine.parsePackage(Buffer.from(input, "latin1"), rules);
  return `${Math.min(faults, 9)} ${shapeOf(pkg)}`;
}

function exported(input) {
  const packages = engine.parseExport(Buffer.from(input, "latin1"), { defaultName: "p" });
  if (!packages.every((pkg) => pkg.sections.every(({ type }) => engine.isPrintableType(type)))) return "odd type";
  const printed = Buffer.concat(packages.map((pkg) => engine.printExport(pkg)));
  same(JSON.stringify(engine.parseExport(printed)), JSON.stringify(packages), "an export survives");
  return packages.map(shapeOf).join("/").slice(0, 60);
}

function staged(input) {
  const draft = new engine.Draft(base());
  let shape = "";
  for (const line of engine.readStaged(input)) {
    const fits = line?.package === "firewall" && engine.replay(draft, line);
    if (fits) {
      const [again] = [...engine.readStaged(engine.printStaged(line.package, line))];
      same(JSON.stringify(again), JSON.stringify(line), "a staged line survives");
    }
    shape += line === undefined ? "-" : line.kind[0];
  }
  engine.printConfig(draft.package());
  return shape.slice(0, 12);
}

function batch(input) {
  const lines = engine.parseBatch(Buffer.from(input, "latin1"));
  const once = settle(base(), undefined, [{ mode: "batch", content: lines, origin: "fuzz" }]);
  return `${lines
    .map(({ command }) => command)
    .join()
    .slice(0, 40)} ${shapeOf(once.desired)}`;
}

function merge(input) {
  const draft = new engine.Draft(base());
  const taker = new engine.MergeTaker(draft);
  engine.readStatements(input, taker, { hasPackage: true, isSingle: true });
  const replayed = new engine.Draft(base());
  for (const change of taker.changes) engine.replay(replayed, change);
  same(JSON.stringify(replayed.package()), JSON.stringify(draft.package()), "staged changes make what was merged");
  return shapeOf(draft.package());
}

function settled(input) {
  const content = engine.parsePackage(Buffer.from(input, "latin1"), { name: "firewall" });
  const result = settle(base(), undefined, [{ mode: random(3) === 0 ? "replace" : "merge", content, origin: "fuzz" }]);
  return shapeOf(result.desired);
}

/** Settles twice and takes back, with all that must hold then. */
function settle(current, record, layers) {
  const once = engine.settle(current, record, layers, []);
  const saved =
    once.record === undefined ? undefined : engine.parsePackageRecord(JSON.parse(JSON.stringify(once.record)));
  const twice = engine.settle(once.desired, saved, layers, []);
  same(engine.printConfig(twice.desired), engine.printConfig(once.desired), "a settled package stays");
  const back = engine.settle(once.desired, saved, [], []);
  same(engine.printConfig(back.desired), engine.printConfig(current), "withdrawn is as before");
  const diff = engine.diffPackages(current, once.desired);
  engine.printDiff(diff, { added: String, removed: String, changed: String, quiet: String });
  return once;
}

function base() {
  return engine.parsePackage(
    "config defaults\n\toption input 'REJECT'\n\nconfig zone\n\toption name 'lan'\n\tlist network 'lan'\n\nconfig rule\n\toption port '1'\n\nconfig rule 'one'\n\toption port '2'\n\tlist l 'x'\n\nconfig rule\n\toption port '1'\n",
    { name: "firewall" },
  );
}

function shapeOf({ sections }) {
  const kinds = sections.slice(0, 12).map(({ name, options }) => {
    const lists = options.filter(({ value }) => typeof value !== "string").length;
    return `${name === undefined ? "a" : "n"}${Math.min(options.length, 4)}${Math.min(lists, 2)}`;
  });
  return `${Math.min(sections.length, 20)}:${kinds.join("")}`;
}

function mutate(input) {
  let text = input;
  for (let n = 1 + random(4); n > 0; n--) text = mutation(text);
  return text.slice(0, MAX_INPUT);
}

function mutation(text) {
  const at = random(text.length + 1);
  const length = random(Math.min(40, text.length - at + 1));
  const tail = text.slice(at + length);
  switch (random(9)) {
    case 0:
      return text.slice(0, at) + tail;
    case 1:
      return text.slice(0, at) + pick(WORDS) + text.slice(at);
    case 2:
      return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
    case 3:
      return text.slice(0, at + length) + text.slice(at);
    case 4: {
      const other = pick(corpus);
      return text.slice(0, at) + other.slice(random(other.length));
    }
    case 5:
      return text.slice(0, at) + text.slice(at, at + length).repeat(random(200)) + tail;
    case 6: {
      const lines = text.split("\n");
      lines.splice(random(lines.length), 0, pick(pick(corpus).split("\n")));
      return lines.join("\n");
    }
    default:
      return text.slice(0, at) + pick(WORDS) + tail;
  }
}

function pick(list) {
  return list[random(list.length)];
}

/** xorshift32 */
function random(limit) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  if (state === 0) state = 0x9e3779b9;
  return state % Math.max(1, limit);
}

function same(actual, expected, what) {
  const isSame = typeof actual === "string" ? actual === expected : Buffer.compare(actual, expected) === 0;
  if (!isSame) throw new Error(`${what}:\n${actual}\n--\n${expected}`);
}

function fail(name, i, seed, input, thrown) {
  console.error(`execution ${i}, target ${name}, state ${seed}, input ${JSON.stringify(input)}\n${thrown.stack}`);
  process.exit(1);
}

function seeds() {
  const texts = readdirSync(GOLDEN)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => JSON.parse(readFileSync(join(GOLDEN, file), "utf8")))
    .flatMap(({ existing, saved, input }) => [
      ...Object.values(existing ?? {}),
      ...Object.values(saved ?? {}),
      input ?? "",
    ]);
  const plain = texts.map((text) =>
    (typeof text === "string" ? Buffer.from(text) : Buffer.from(text.base64, "base64")).toString("latin1"),
  );
  return [...new Set(plain)].filter((text) => text.length < 4_000);
}

async function load() {
  const folder = mkdtempSync(join(tmpdir(), "uci-fuzz-"));
  try {
    const entry = join(folder, "entry.mjs");
    const files =
      "names,parse,print,draft,staged,batch,merge-taker,statements,settle,record,diff,fault,../errors".split(",");
    writeFileSync(
      entry,
      files.map((file) => `export * from ${JSON.stringify(join(SOURCE, `${file}.ts`))};`).join("\n"),
    );
    const bundle = await rolldown({ input: entry, platform: "node" });
    await bundle.write({ file: join(folder, "engine.mjs"), format: "esm" });
    return await import(join(folder, "engine.mjs"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
