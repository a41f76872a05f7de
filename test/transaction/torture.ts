import { parseArgs } from "node:util";
import { cutAt, PowerCut, TEARS, type Tear } from "./faulty-disk.ts";
import {
  type Both,
  bothTrees,
  type Cut,
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
import { hasAsh, recoverSh } from "./recover-shell.ts";
import { copyTree, scratchRoot } from "./scratch-root.ts";
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
      every: { type: "boolean", default: false },
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
  const share = values.every ? "every" : "some";
  if (hasAsh) await rack.measure(`${share} pair of steps, recover.sh`, () => pairsByShell(rack, values.every));
  while (until !== undefined && Date.now() < until) await rack.measure("three cuts, seeded", () => triples(rack, 1000));

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
  readonly #until: number | undefined;
  readonly #all: Tally = { points: 0, old: 0, new: 0, mixed: 0 };
  #tally: Tally = { points: 0, old: 0, new: 0, mixed: 0 };

  readonly #only: string;

  constructor(both: Both, seed: number, until: number | undefined, only: string) {
    this.both = both;
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
    const cut = await deviceCutAt(name, { at, tear: tearOf(rack) });
    if (cut === undefined) break;
    const medium = cut.afterPowerCut(() => rack.random() < 0.7);
    const { outcome } = await endByShell(rack, medium, 0);
    rack.note(outcome, `${name}, cut at ${at}, then recover.sh`);
  }
}

/** Recovers by recover.sh, cut at its step `cutAtStep` if that is not 0, and then by the shell again and Node. */
async function endByShell(
  rack: Rack,
  medium: MemoryDisk,
  cutAtStep: number,
): Promise<{ outcome: Outcome; wasCut: boolean }> {
  const promised = promisedBy(medium, rack.both);
  const root = scratchRoot();
  try {
    copyTree(medium, root.disk);
    const wasCut = cutAtStep > 0 && recoverSh(root.path, cutAtStep).wasCut;
    if (cutAtStep === 0 || rack.random() < 0.5) {
      if (recoverSh(root.path).status !== 0) return { outcome: "mixed", wasCut };
    }
    await recovering(life(root.disk, "2")); // what is confirmed waits for Node
    return { outcome: await judge(root.disk, rack.both, promised, "3"), wasCut };
  } finally {
    root.remove();
  }
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

/** Each step is a shell of its own, so not every pair is tried unless it is asked for: at every fifth step of a life, at one in 4.5 of recover.sh's. */
async function pairsByShell(rack: Rack, isEvery: boolean): Promise<void> {
  for (const name of NAMES) {
    for (let at = 1; !rack.isOverdue; at += isEvery ? 1 : 5) {
      const first = await deviceCutAt(name, { at, tear: tearOf(rack) });
      if (first === undefined) break;
      for (let step = isEvery ? 1 : 1 + rack.pick(4); !rack.isOverdue; step += isEvery ? 1 : 1 + rack.pick(8)) {
        const medium = first.afterPowerCut(() => rack.random() < 0.7);
        const { outcome, wasCut } = await endByShell(rack, medium, step);
        rack.note(outcome, `${name}, cut at ${at}, then recover.sh at ${step}`);
        if (!wasCut) break; // it has no such step
      }
    }
  }
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
