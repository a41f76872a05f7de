/** What a hook may know of a run, and how it tells others. `api.ts` hands it on. */
import type { ProvisionError } from "./errors.ts";

/** What the run has come to so far, for whoever reports it; without any value that a tree brought. */
export interface RunFacts {
  /** The tree in question, once it is proven. */
  readonly tree?: {
    readonly uri: string;
    readonly name?: string;
    readonly serial?: number;
    readonly digest: string;
  };
  /** Names of options and files that the plan changes, some of them. */
  readonly changes?: { readonly names: readonly string[]; readonly more: number };
  /** The image that is about to be written. */
  readonly firmware?: string;
  /** In `done`. */
  readonly outcome?: { readonly result: string; readonly exit: string; readonly generation?: number };
  /** Parts of the tree that were left out. */
  readonly left?: readonly { readonly part: string; readonly names: readonly string[]; readonly more: number }[];
  /** In `failed`, unless it only ends a trial of which the run tries a part. */
  readonly error?: ProvisionError;
  /** The tree that was taken back last, in this run or before it. */
  readonly takenBack?: { readonly digest: string; readonly attempts: number; readonly reason: string };
}

/** A report on its way. */
export interface Letter {
  /** The same for the same thing told twice, so that the receiver can count it once; `[a-z0-9-]`, 64 at most. */
  readonly id: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** What it says, in short: if the last letter with such a mark said the same, this one is dropped. */
  readonly about?: string;
  /** Kept on flash, too: for what a boot must not lose. */
  readonly isDurable: boolean;
}

/** Letters that wait, in RAM, and the durable ones on flash; nothing here ever fails or keeps anybody waiting. */
export interface Outbox {
  /** One whose id was delivered or waits already is dropped. The oldest give way to what is too much. */
  put(letter: Letter): void;
  readonly isEmpty: boolean;
  /** Starts to deliver what waits and returns at once; the program's end waits a few seconds for it, nothing else does. */
  deliver(uri: string): void;
}

/** How the device's LED shows what is going on; `before`: as it was. */
export type LedState = "slow" | "fast" | "on" | "off" | "before";
