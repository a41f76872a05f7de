import type { FileStat, NewFile } from "../api.ts";
import type { FileContent } from "../changes.ts";

/** What the plan was made from at a path; a file that is reached through a link at its end has both, a digest and a target. */
export interface Seen {
  readonly kind: FileStat["kind"] | "absent";
  readonly sha256?: string | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly target?: string | undefined;
}

/** One thing that is to be true of the device. Paths are absolute, as `devicePath` accepts them; their folder may be a link. */
export type Action = (
  | {
      readonly kind: "write";
      readonly path: string;
      readonly content: FileContent;
      readonly size: number;
      /** 64 lower-case hex digits. */
      readonly sha256: string;
      readonly mode: number;
      /** Not given: as the replaced file has it, else root's where we may say so. */
      readonly uid?: number;
      readonly gid?: number;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "remove"; readonly path: string }
) & {
  /** If something else is there by now, the plan is not carried out. Not given: whatever is there goes. */
  readonly was?: Seen | undefined;
};

/** Where the configuration came from, as history, reports and the attempt count name it. */
export interface TreeName {
  readonly uri: string;
  readonly name?: string;
  /** Of the manifest, or of whatever stands for the whole tree. */
  readonly sha256?: string;
  readonly serial?: number;
  /** The tree that it names to take over. */
  readonly successor?: string;
  /** Milliseconds since 1970 that have surely passed if it is believed. */
  readonly date?: number;
  /** Accepted by nothing but `trust any`: what it says of its age is nobody's word. */
  readonly isLab?: true;
}

/** State that becomes true only with the confirmation: owner latch, serial floor, the confirmed record. */
export interface Promotion {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** All that one transaction does, and what must be known to take it back without whoever ordered it. */
export interface TransactionOrder {
  /** Unique; 1 to 64 of `[a-z0-9-]`. */
  readonly id: string;
  /** In order of landing, but `/etc/config/uciprov` and then the core's state come last. */
  readonly actions: readonly Action[];
  readonly onConfirm: readonly Promotion[];
  /** UCI packages it touches. */
  readonly packages: readonly string[];
  /** `NAME:ACT`: what is done to services once it has been taken back on a device that runs. */
  readonly services?: readonly string[];
  readonly tree: TreeName;
  /** What of the tree it does without, in words, since with it the device was cut off. */
  readonly left?: string;
  readonly windowSeconds: number;
  /** The firmware that runs (`runningFirmware`). */
  readonly firmware: string;
  /** The plan reboots, and is confirmed after it: the first boot leaves the trial in place. */
  readonly rebootAllowed: boolean;
  /** The how-manieth try of this tree, from 1. */
  readonly attempt: number;
  /** Seconds since 1970, as far as the clock is known. */
  readonly at: number;
  /** Seconds since boot, which no clock that jumps makes wrong. */
  readonly up?: number;
}

/** Writes the wanted entries of one archive, by index, in one pass through it; every file is finished when it resolves. */
export type CopyArchived = (archive: string, wanted: ReadonlyMap<number, NewFile>) => Promise<void>;
