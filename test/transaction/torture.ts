import { parseArgs } from "node:util";
import { cutAt, PowerCut, TEARS, type Tear } from "./faulty-disk.ts";
import { type Held, onDisk } from "./held.ts";
import {
  type Both,
  bothTrees,
  type Cut,
  countSteps,
  judge,
  LIVES,
  liveUntil,
  type Outcome,
  oldDevice,
  promisedBy,
  recovering,
} from "./lives.ts";
import type { MemoryDisk } from "./memory-disk.ts";
import { randomFrom } from "./random.ts";
import { hasAsh } from "./recover-shell.ts";
import { ShellEnds } from "./shell-ends.ts";
import { life } from "./specimen.ts";

type LifeName = keyof typeof LIVES;

const NAMES = Object.keys(LIVES) as LifeName[];

/** How much of what was not flushed survives a cut: a killed process loses nothing, a power cut anything. */
const SHARES = [1, 0, 0.5, 0.9] as const;

/**
 * Cuts at every step, at every pair of steps (a life's and its recovery's), at seeded triples; with torn writes and with any subset
 * of what was not flushed; recovered by Node and by recover.sh. Prints points, old, new, mixed; answers the exit status.
 */
export async function torture(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      triples: { type: "string", default: "1000" },
      endless: { type: "boolean", default: false },
      only: { type: "string", default: "" },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const until = values.minutes === undefined ? undefined : Date.now() + Number(values.minutes) * 60_000;
  const rack = new Rack(await bothTrees(), seed, until, values.only);
  console.log(`seed ${seed}${until === undefined ? "" : `, ${values.minutes} minutes`}`);

  for (const name of NAMES) await rack.measure(`${name}: every step, Node`, () => singles(rack, name));
  if (hasAsh)
    for (const name of NAMES) await rack.measure(`${name}: every step, recover.sh`, () => singlesByShell(rack, name));
  else console.log("busybox is not there: recover.sh was left out");
  await rack.measure("three cuts, seeded", () => triples(rack, Number(values.triples)));
  for (const name of NAMES) await rack.measure(`${name}: every pair of steps, Node`, () => pairs(rack, name));
  if (hasAsh) {
    await rack.measure("every pair of steps, recover.sh", () => pairsByShell(rack));
    if (values.endless) await rack.measure("any number of cuts, recover.sh", () => endlesslyByShell(rack));
    console.log(`recover.sh: ${rack.shell.moments} different moments to recover from`);
  }
  while (values.only === "" && until !== undefined && Date.now() < until)
    await rack.measure("three cuts, seeded", () => triples(rack, 1000));

  console.log(rack.total());
  return rack.hasFailed ? 1 : 0;
}

interface Tally {
  points: number;
  old: number;
  new: number;
  mixed: number;
}

/** Counts outcomes, knows when to stop, and draws the numbers. */
class Rack {
  readonly both: Both;
  readonly random: () => number;
  readonly shell: ShellEnds;
  readonly #until: number | undefined;
  readonly #all: Tally = { points: 0, old: 0, new: 0, mixed: 0 };
  #tally: Tally = { points: 0, old: 0, new: 0, mixed: 0 };

  readonly #only: string;

  constructor(both: Both, seed: number, until: number | undefined, only: string) {
    this.both = both;
    this.shell = new ShellEnds(both);
    this.random = randomFrom(seed);
    this.#until = until;
    this.#only = only;
  }

  get isOverdue(): boolean {
    return this.#until !== undefined && Date.now() > this.#until;
  }

  get hasFailed(): boolean {
    return this.#all.mixed > 0 || this.#all.points === 0;
  }

  pick(below: number): number {
    return Math.floor(this.random() * below);
  }

  note(outcome: Outcome, what: string): void {
    for (const tally of [this.#tally, this.#all]) {
      tally.points += 1;
      tally[outcome] += 1;
    }
    if (outcome === "mixed") console.error(`MIXED: ${what}`);
  }

  async measure(title: string, act: () => Promise<void>): Promise<void> {
    if (this.isOverdue || !title.includes(this.#only)) return;
    this.#tally = { points: 0, old: 0, new: 0, mixed: 0 };
    const began = Date.now();
    await act();
    console.log(
      `${told(title, this.#tally)}  ${((Date.now() - began) / 1000).toFixed(1)} s${this.isOverdue ? ", cut short" : ""}`,
    );
  }

  total(): string {
    return told("all", this.#all);
  }
}

function told(title: string, { points, old, new: now, mixed }: Tally): string {
  const column = (value: number): string => String(value).padStart(7);
  return `${title.padEnd(50)} points${column(points)}  old${column(old)}  new${column(now)}  mixed${column(mixed)}`;
}

/** The device at the moment of a cut in a life; undefined if the life ended before it. */
async function deviceCutAt(name: LifeName, cut: Cut): Promise<MemoryDisk | undefined> {
  const disk = oldDevice();
  return (await liveUntil(disk, LIVES[name], cut, "1")) ? disk : undefined;
}

async function singles(rack: Rack, name: LifeName): Promise<void> {
  for (const tear of TEARS) {
    for (let at = 1; !rack.isOverdue; at += 1) {
      const cut = await deviceCutAt(name, { at, tear });
      if (cut === undefined) break;
      for (const share of SHARES) {
        const medium = cut.afterPowerCut(() => rack.random() < share);
        const promised = promisedBy(medium, rack.both);
        await recovering(life(medium, "2"));
        rack.note(
          await judge(medium, rack.both, promised, "3"),
          `${name}, ${tear} at ${at}, ${share} of the unflushed`,
        );
      }
    }
  }
}

async function singlesByShell(rack: Rack, name: LifeName): Promise<void> {
  for (let at = 1; !rack.isOverdue; at += 1) {
    const start = await startCutAt(rack, name, at);
    if (start === undefined) break;
    rack.note(await rack.shell.endOf(start.held, start.promised), `${name}, cut at ${at}, then recover.sh`);
  }
}

interface Start {
  readonly held: Held;
  readonly promised: "old" | "new";
}

/** What the next boot finds after a cut at this step of a life; undefined if it has no such step. */
async function startCutAt(rack: Rack, name: LifeName, at: number): Promise<Start | undefined> {
  const cut = await deviceCutAt(name, { at, tear: tearOf(rack) });
  if (cut === undefined) return undefined;
  const medium = cut.afterPowerCut(() => rack.random() < 0.7);
  return { held: onDisk(medium), promised: promisedBy(medium, rack.both) };
}

async function pairs(rack: Rack, name: LifeName): Promise<void> {
  for (let at = 1; !rack.isOverdue; at += 1) {
    const tear = tearOf(rack);
    const first = await deviceCutAt(name, { at, tear });
    if (first === undefined) break;
    const start = first.afterPowerCut(() => rack.random() < 0.7);
    const promised = promisedBy(start, rack.both);
    for (let again = 1; !rack.isOverdue; again += 1) {
      const disk = start.afterPowerCut(() => true);
      if (!(await liveUntil(disk, recovering, { at: again, tear: tearOf(rack) }, "2"))) break;
      const medium = disk.afterPowerCut(() => rack.random() < 0.7);
      await recovering(life(medium, "3"));
      rack.note(
        await judge(medium, rack.both, promised, "4"),
        `${name}, ${tear} at ${at}, then at ${again} of the recovery`,
      );
    }
  }
}

/** Every step of a life, and every step of the recover.sh that comes after it; lives and steps in no order, so that a share of them is a fair one. */
async function pairsByShell(rack: Rack): Promise<void> {
  for (const { name, at } of shuffled(await everyStep(), rack.random)) {
    const start = rack.isOverdue ? undefined : await startCutAt(rack, name, at);
    if (start === undefined) break;
    for (const [index, held] of (await rack.shell.stepsOf(start.held)).entries()) {
      if (rack.isOverdue) break;
      rack.note(await rack.shell.endOf(held, start.promised), `${name}, cut at ${at}, then recover.sh at ${index + 1}`);
    }
  }
}

async function everyStep(): Promise<{ name: LifeName; at: number }[]> {
  const steps: { name: LifeName; at: number }[] = [];
  for (const name of NAMES) {
    const count = await countSteps(oldDevice(), LIVES[name]);
    for (let at = 1; at <= count; at += 1) steps.push({ name, at });
  }
  return steps;
}

/**
 * As many cuts of recover.sh, one after the other, as anybody likes: from every moment that a cut can leave, every moment that a cut of the next recover.sh can
 * leave, until there is none that was not seen before. A point is a moment.
 */
async function endlesslyByShell(rack: Rack): Promise<void> {
  const waiting: (Start & { readonly story: string })[] = [];
  for (const { name, at } of await everyStep()) {
    const start = await startCutAt(rack, name, at);
    if (start !== undefined) waiting.push({ ...start, story: `${name}, cut at ${at}` });
  }
  const seen = new Set<string>();
  for (let next = waiting.shift(); next !== undefined && !rack.isOverdue; next = waiting.shift()) {
    const { held, promised, story } = next;
    if (seen.has(held.key)) continue;
    seen.add(held.key);
    rack.note(await rack.shell.endOf(held, promised), story);
    for (const [index, below] of (await rack.shell.stepsOf(held)).entries()) {
      if (!seen.has(below.key))
        waiting.push({ held: below, promised, story: `${story}, then recover.sh at ${index + 1}` });
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, turn: random() }))
    .sort((a, b) => a.turn - b.turn)
    .map(({ item }) => item);
}

async function triples(rack: Rack, count: number): Promise<void> {
  for (let done = 0; done < count && !rack.isOverdue; ) {
    const name = NAMES[rack.pick(NAMES.length)] ?? "apply and confirm";
    const cuts = [cutBelow(rack, 170), cutBelow(rack, 80), cutBelow(rack, 80)] as const;
    const first = await deviceCutAt(name, cuts[0]);
    if (first === undefined) continue;
    let medium = first.afterPowerCut(() => rack.random() < 0.7);
    const promised = promisedBy(medium, rack.both);
    for (const cut of cuts.slice(1)) {
      try {
        await recovering(life(cutAt(medium, cut.at, cut.tear).disk, "2"));
      } catch (thrown) {
        if (!(thrown instanceof PowerCut)) throw thrown;
      }
      medium = medium.afterPowerCut(() => rack.random() < 0.7);
    }
    await recovering(life(medium, "3"));
    rack.note(await judge(medium, rack.both, promised, "4"), `${name}, ${JSON.stringify(cuts)}`);
    done += 1;
  }
}

function cutBelow(rack: Rack, below: number): Cut {
  return { at: 1 + rack.pick(below), tear: tearOf(rack) };
}

function tearOf(rack: Rack): Tear {
  return TEARS[rack.pick(TEARS.length)] ?? "half";
}
