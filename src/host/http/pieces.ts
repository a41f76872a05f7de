import { setMaxListeners } from "node:events";
import { ProvisionError } from "../../errors.ts";
import { redactUri } from "../../uri.ts";
import type { Body } from "./body.ts";
import type { Answer, Sink } from "./exchange.ts";
import { Gathered } from "./gathered.ts";
import { contentRange, strongTag } from "./head.ts";

/** What of a body one request asks for, counted as RFC 9110 §14.1.2 does: both ends belong to it. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** The server does not give this body in pieces; asking for the whole is next, and tells what is wrong if anything is. */
export class Whole extends Error {}

/** What a new connection brings with its first round trip, headers aside: ten segments. With each further one it is twice as much (RFC 6928, RFC 5681). */
const FIRST_BYTES = 14_000;
/** Less than this one connection brings in four round trips. */
const WORTH_BYTES = 131_072;
/** What is held in memory of a piece until its turn is no more than this. */
const MOST_PIECE_BYTES = 262_144;

/** Whether a body of this size gains by coming in pieces. */
export function isWorthPieces(size: number | undefined): size is number {
  return size !== undefined && size >= WORTH_BYTES;
}

export interface InPieces {
  readonly uri: URL;
  /** Pieces under way, or waiting for their turn. */
  readonly most: number;
  readonly size: number;
  readonly body: Body;
  readonly signal: AbortSignal;
  /** One request for a part; `choose` as `exchange` has it. */
  ask(range: Range, signal: AbortSignal, choose: (answer: Answer) => Sink): Promise<Answer>;
}

/**
 * Asks for a body in pieces, several at a time, and hands them to `body` in their order, so that a cut leaves a beginning to go on from. All must be of one version by a
 * strong entity tag (RFC 9110 §15.3.7.3), and be what was asked for to the byte; else it rejects with Whole. The first failure stops the others. Resolves to the
 * answers, by the pieces they brought.
 */
export function fetchPieces(how: InPieces): Promise<readonly Answer[]> {
  return new Promise((resolve, reject) => new Pieces(how, resolve, reject).ask());
}

class Pieces {
  readonly #how: InPieces;
  readonly #ranges: readonly Range[];
  readonly #resolve: (answers: readonly Answer[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #answers: Answer[] = [];
  /** What came of pieces before their turn. */
  readonly #held = new Map<number, Gathered>();
  readonly #isDone = new Set<number>();
  #tag: string | undefined;
  #next = 0;
  /** The piece whose turn it is. */
  #front = 0;

  constructor(how: InPieces, resolve: (answers: readonly Answer[]) => void, reject: (error: unknown) => void) {
    this.#how = how;
    this.#ranges = rangesOf(how);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = AbortSignal.any([how.signal, this.#failed.signal]);
    setMaxListeners(0, this.#signal); // one for each piece under way
  }

  /** As many as may be under way. */
  ask(): void {
    const from = this.#next;
    this.#next = Math.min(this.#front + this.#how.most, this.#ranges.length);
    for (const [offset, range] of this.#ranges.slice(from, this.#next).entries()) {
      this.#askOne(from + offset, range).then(
        (answer) => this.#came(from + offset, answer),
        (thrown: unknown) => this.#fail(thrown),
      );
    }
  }

  async #askOne(index: number, range: Range): Promise<Answer> {
    let left = range.last - range.first + 1;
    const answer = await this.#how.ask(range, this.#signal, (head) => {
      this.#judge(head, range);
      return {
        write: (chunk) => {
          left -= chunk.length;
          if (left < 0) throw new ProvisionError("HTTP_ODD", "a part is longer than it says");
          this.#take(index, chunk);
        },
      };
    });
    if (left > 0) {
      const told = redactUri(this.#how.uri.href);
      throw new ProvisionError("TRUNCATED", `fetching ${told}: a part ends ${left} bytes too soon`, {
        place: { file: told },
      });
    }
    return answer;
  }

  #judge(head: Answer, { first, last }: Range): void {
    const { size, body, uri } = this.#how;
    const range = contentRange(head);
    const tag = strongTag(head);
    const isIt = head.status === 206 && range?.first === first && range.last === last && range.total === size;
    if (!isIt || tag === undefined) throw new Whole("the server gives no such part");
    if (this.#tag === undefined) body.begin({ length: size, tag }, uri.href);
    else if (this.#tag !== tag) throw new Whole("the parts are of two versions");
    this.#tag = tag;
  }

  #take(index: number, chunk: Uint8Array): void {
    if (index === this.#front) {
      this.#how.body.write(chunk);
      return;
    }
    const held = this.#held.get(index) ?? new Gathered(MOST_PIECE_BYTES);
    held.add(chunk);
    this.#held.set(index, held);
  }

  #came(index: number, answer: Answer): void {
    if (this.#failed.signal.aborted) return;
    this.#answers[index] = answer;
    this.#isDone.add(index);
    try {
      while (this.#isDone.has(this.#front)) this.#turn(++this.#front);
      if (this.#front === this.#ranges.length) this.#resolve(this.#answers);
      else this.ask();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #turn(index: number): void {
    const held = this.#held.get(index);
    if (held !== undefined) this.#how.body.write(held.bytes);
    this.#held.delete(index);
  }

  #fail(thrown: unknown): void {
    this.#reject(thrown);
    this.#failed.abort(thrown);
  }
}

/** As few as bring it all in as few round trips as can be: 1 MB takes seven over one connection, four over six and three over eleven. */
function rangesOf({ size, most }: InPieces): readonly Range[] {
  let brought = 3 * FIRST_BYTES;
  while (most * brought < size) brought = 2 * brought + FIRST_BYTES;
  const length = Math.min(Math.ceil(size / Math.ceil(size / brought)), MOST_PIECE_BYTES);
  return Array.from({ length: Math.ceil(size / length) }, (_, index) => ({
    first: index * length,
    last: Math.min((index + 1) * length, size) - 1,
  }));
}
