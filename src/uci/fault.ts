import { type Place, ProvisionError } from "../errors.ts";

/** The kinds of failure libuci tells apart (openwrt/uci uci.h), with its words and its numbers. */
export const UCI_STATUS = {
  memory: { number: 1, words: "Out of memory" },
  invalid: { number: 2, words: "Invalid argument" },
  "not-found": { number: 3, words: "Entry not found" },
  io: { number: 4, words: "I/O error" },
  parse: { number: 5, words: "Parse error" },
  duplicate: { number: 6, words: "Duplicate entry" },
} as const;

export type UciStatus = keyof typeof UCI_STATUS;

interface FaultFacts {
  readonly status: UciStatus;
  readonly reason?: string;
  readonly place?: Place;
  /** Where libuci says it is: its own count of lines, and an offset into the joined line. */
  readonly counted?: { readonly line: number; readonly byte: number };
  readonly cause?: unknown;
}

/** What the engine throws, and the only thing: a `ProvisionError` that also knows what libuci would say. */
export class UciFault extends ProvisionError {
  readonly status: UciStatus;
  readonly reason: string | undefined;
  readonly counted: { readonly line: number; readonly byte: number } | undefined;

  constructor(facts: FaultFacts) {
    const { status, reason, place, counted, cause } = facts;
    super("UCI_INVALID", reason ?? UCI_STATUS[status].words.toLowerCase(), {
      ...(place === undefined ? {} : { place }),
      ...(cause === undefined ? {} : { cause }),
    });
    this.status = status;
    this.reason = reason;
    this.counted = counted;
  }

  /** The same, with libuci's count of lines moved. */
  recounted(by: number): UciFault {
    if (this.counted === undefined) return this;
    const { status, reason, place, counted } = this;
    const moved = { line: counted.line + by, byte: counted.byte };
    return new UciFault({ status, counted: moved, ...(reason && { reason }), ...(place && { place }) });
  }
}
