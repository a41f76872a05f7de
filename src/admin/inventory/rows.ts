import type { Place } from "../../errors.ts";

/** Far above any fleet that is kept in one file. */
export const INVENTORY_LIMITS = {
  bytes: 134_217_728,
  devices: 200_000,
  columns: 64,
  value: 1024,
  faults: 100,
} as const;

/** One value of one device, as it was written, and where: `at` is an index into the text. */
export interface Cell {
  readonly name: string;
  readonly text: string;
  readonly at: number;
  /** Where its column is named. */
  readonly namedAt: number;
}

export interface Row {
  /** 1-based line on which the device begins. */
  readonly line: number;
  readonly at: number;
  readonly cells: readonly Cell[];
}

export type Fault = (at: number, message: string) => void;

/** Line and byte (both from 1) of a character. */
export function placeAt(text: string, at: number, file: string): Place {
  const before = text.slice(0, at);
  const start = before.lastIndexOf("\n") + 1;
  const line = before.length - before.replaceAll("\n", "").length + 1;
  return { file, line, byte: Buffer.byteLength(before.slice(start)) + 1 };
}
