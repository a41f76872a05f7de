/** What a device remembers of firmware images. It survives the flashing, so that the next boot can tell what came of it. */
import { asObject, numberOf, textOf } from "./json-fields.ts";

/** An image that was to be written: noted durably before sysupgrade starts, so that no death in between can make it forgotten. */
export interface FlashAttempt {
  readonly sha256: string;
  readonly target: string;
  /** What runs if it came true. */
  readonly revision: string;
  /** What ran before. */
  readonly from: string;
  /** The kernel's id of the boot in which it was started. */
  readonly boot: string;
  /** Seconds since that boot. */
  readonly at: number;
}

interface FailedImage {
  readonly sha256: string;
  readonly tries: number;
  readonly reason: string;
}

export interface FirmwareRecord {
  /** Started, and not yet known what came of it. */
  readonly pending?: FlashAttempt;
  /** The newest first. */
  readonly failed: readonly FailedImage[];
  /** The last image that uciprov wrote and then saw running. */
  readonly running?: { readonly sha256: string; readonly target: string; readonly revision: string };
}

export const NO_FIRMWARE: FirmwareRecord = { failed: [] };

/** An image that was tried this often is left out until another one is published (design §2). */
export const MOST_IMAGE_TRIES = 2;

/** As many images as are told apart; each of them came from the owner. */
const MOST_FAILED = 8;

export function triesOf(record: FirmwareRecord, sha256: string): number {
  return record.failed.find((one) => one.sha256 === sha256)?.tries ?? 0;
}

/** The attempt came to nothing. */
export function afterFailure(
  { pending: _, ...record }: FirmwareRecord,
  sha256: string,
  reason: string,
): FirmwareRecord {
  const others = record.failed.filter((one) => one.sha256 !== sha256);
  const failed = { sha256, tries: triesOf(record, sha256) + 1, reason: reason.slice(0, 500) };
  return { ...record, failed: [failed, ...others].slice(0, MOST_FAILED) };
}

/** The image of the attempt runs. */
export function afterSuccess({ pending: _, ...record }: FirmwareRecord, attempt: FlashAttempt): FirmwareRecord {
  const { sha256, target, revision } = attempt;
  return {
    failed: record.failed.filter((one) => one.sha256 !== sha256),
    running: { sha256, target, revision },
  };
}

/** Throws TypeError at anything else. */
export function parseFirmware(value: unknown): FirmwareRecord {
  const from = asObject(value);
  const { pending, running, failed } = from;
  if (!Array.isArray(failed)) throw new TypeError("failed is no list");
  return {
    failed: failed.map((one: unknown) => {
      const image = asObject(one);
      return { sha256: textOf(image, "sha256"), tries: numberOf(image, "tries"), reason: textOf(image, "reason") };
    }),
    ...(pending === undefined ? {} : { pending: parseAttempt(asObject(pending)) }),
    ...(running === undefined ? {} : { running: parseRunning(asObject(running)) }),
  };
}

function parseAttempt(from: Record<string, unknown>): FlashAttempt {
  return {
    ...parseRunning(from),
    from: textOf(from, "from"),
    boot: textOf(from, "boot"),
    at: numberOf(from, "at"),
  };
}

function parseRunning(from: Record<string, unknown>): { sha256: string; target: string; revision: string } {
  return { sha256: textOf(from, "sha256"), target: textOf(from, "target"), revision: textOf(from, "revision") };
}
