import { UCI_STATUS, type UciFault } from "../../uci/fault.ts";

/** libuci keeps the place of a parse error in a buffer of this many bytes, its end included. */
const PLACE_LIMIT = 127;

/**
 * `uci`'s messages on standard error. libuci appends a line feed to one buffer for every message of a process and
 * never clears the place of the last parse error in it, so later messages of a batch repeat it. That is kept, since
 * scripts compare output, but the buffer does not overflow here.
 */
export class Messages {
  isQuiet = false;
  /** In a batch, what a parse error without a place of its own is given. */
  batchPlace: (() => { readonly reason: string; readonly line: number; readonly byte: number }) | undefined;
  #place = "";
  readonly #program: string;
  readonly #write: (text: string) => void;

  constructor(program: string, write: (text: string) => void) {
    this.#program = program;
    this.#write = write;
  }

  /** A command failed. */
  failed(fault: UciFault): void {
    if (!this.isQuiet) this.#print(`${this.#program}: `, fault);
  }

  /** A line of a configuration file was skipped; said even when quiet. */
  lenient(fault: UciFault): void {
    this.#print("", fault);
  }

  plain(text: string): void {
    if (!this.isQuiet) this.#write(text);
  }

  #print(prefix: string, fault: UciFault): void {
    if (fault.status === "parse") this.#place = this.#placeOf(fault) ?? this.#place;
    if (this.#place.length < PLACE_LIMIT) this.#place += "\n";
    this.#write(`${prefix}${UCI_STATUS[fault.status].words}${this.#place}`);
  }

  #placeOf({ reason, counted }: UciFault): string | undefined {
    const place = counted === undefined ? this.batchPlace?.() : { reason: reason ?? "unknown", ...counted };
    return place === undefined ? undefined : ` (${place.reason}) at line ${place.line}, byte ${place.byte}`;
  }
}
