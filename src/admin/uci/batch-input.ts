import { UciFault } from "../../uci/fault.ts";
import { LineReader } from "../../uci/line-reader.ts";

/** `uci batch` takes fewer words a line than this, the command included. */
export const BATCH_WORDS = 4;

/** The lines of a batch, with the places that libuci would report for them. */
export class BatchInput {
  readonly #reader: LineReader;
  /** libuci counts lines anew each time that it has read a configuration file. */
  #countedFrom = 0;
  /** What was wrong last stays on, until lines are counted anew. */
  #lastFault: { readonly reason: string; readonly byte: number } | undefined;

  constructor(input: string) {
    this.#reader = new LineReader(input, { readsNul: true });
  }

  countAnew(): void {
    this.#countedFrom = this.#reader.lines;
    this.#lastFault = undefined;
    this.#reader.resetBuffer();
  }

  place(): { reason: string; line: number; byte: number } {
    const { reason, byte } = this.#lastFault ?? { reason: "unknown", byte: 0 };
    return { reason, line: this.#reader.lines - this.#countedFrom, byte };
  }

  /**
   * The words of the next line up to its end, a `;`, or an empty one, and no more than are needed to tell that there are
   * too many; `undefined` at the end.
   */
  words(): string[] | undefined {
    if (!this.#reader.start()) return undefined;
    const words: string[] = [];
    while (words.length < BATCH_WORDS) {
      const word = this.#reader.word();
      if (word === "") break;
      words.push(word);
    }
    return words;
  }

  /** A fault of `words`, counted as libuci does. */
  recounted(fault: UciFault): UciFault {
    this.#remember(fault);
    return fault.recounted(-this.#countedFrom);
  }

  /** Lets an `import` read the lines that follow: all of them, or up to the one with a fault. */
  async lend(read: (input: string) => Promise<number>): Promise<number> {
    const rest = this.#reader.rest();
    this.countAnew();
    try {
      const status = await read(rest);
      this.#reader.skipLines(Number.POSITIVE_INFINITY);
      return status;
    } catch (thrown) {
      const counted = thrown instanceof UciFault ? thrown.counted : undefined;
      this.#reader.skipLines(counted?.line ?? Number.POSITIVE_INFINITY);
      if (thrown instanceof UciFault) this.#remember(thrown);
      throw thrown;
    }
  }

  #remember({ reason, counted }: UciFault): void {
    if (reason !== undefined && counted !== undefined) this.#lastFault = { reason, byte: counted.byte };
  }
}
