import { type Held, holds, inMemory, plant } from "./held.ts";
import { type Both, judge, type Outcome, recovering } from "./lives.ts";
import { recoverSh, watchedSh } from "./recover-shell.ts";
import { scratchRoot } from "./scratch-root.ts";
import { life } from "./specimen.ts";

type Promised = "old" | "new";

/**
 * What becomes of a device that recover.sh is let loose on, cut anywhere. A recovery depends on nothing but what the disk holds, and most cuts leave what
 * another one left before: each such moment is gone through once, however many ways lead to it.
 */
export class ShellEnds {
  readonly #both: Both;
  readonly #ends = new Map<string, Outcome>();
  readonly #endsByNode = new Map<string, Outcome>();
  readonly #steps = new Map<string, readonly Held[]>();

  constructor(both: Both) {
    this.#both = both;
  }

  /** How many different moments have been recovered from. */
  get moments(): number {
    return this.#ends.size;
  }

  /** What the disk holds at each step of recover.sh, which is what a cut there leaves; the last is where it ends. */
  async stepsOf(start: Held): Promise<readonly Held[]> {
    const known = this.#steps.get(start.key);
    if (known !== undefined) return known;
    const steps: Held[] = [];
    const root = scratchRoot();
    try {
      plant(start, root.path);
      await watchedSh(root.path, () => steps.push(holds(root.path)));
      steps.push(holds(root.path));
    } finally {
      root.remove();
    }
    this.#steps.set(start.key, steps);
    return steps;
  }

  /** Recovered by recover.sh (and Node, which ends what is confirmed), and the same again by Node alone: both must come to what was promised. */
  async endOf(held: Held, promised: Promised): Promise<Outcome> {
    const name = `${promised} ${held.key}`;
    const known = this.#ends.get(name);
    if (known !== undefined) return known;
    const byNode = await this.#endByNode(held, promised);
    const outcome = (await this.#endByShell(held, promised)) === byNode ? byNode : "mixed";
    this.#ends.set(name, outcome);
    return outcome;
  }

  async #endByShell(held: Held, promised: Promised): Promise<Outcome> {
    const root = scratchRoot();
    try {
      plant(held, root.path);
      return recoverSh(root.path).status === 0 ? await this.#endByNode(holds(root.path), promised) : "mixed";
    } finally {
      root.remove();
    }
  }

  async #endByNode(held: Held, promised: Promised): Promise<Outcome> {
    const name = `${promised} ${held.key}`;
    const known = this.#endsByNode.get(name);
    if (known !== undefined) return known;
    const disk = inMemory(held);
    await recovering(life(disk, "2"));
    const outcome = await judge(disk, this.#both, promised, "3");
    this.#endsByNode.set(name, outcome);
    return outcome;
  }
}
