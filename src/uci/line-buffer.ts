/** Bytes that may be copied for the sake of lines with NUL bytes, so that a hostile file cannot keep us busy. */
const COPY_BUDGET = 1 << 28;

/** What libuci begins with (openwrt/uci file.c). */
const FIRST_SIZE = 32;

/** What a read of one line took from the text, and what of it libuci sees. */
export interface ReadLine {
  readonly taken: number;
  readonly shown: string;
}

/**
 * The buffer into which libuci reads a line, piece by piece with fgets(3), doubling its size as long as no line feed
 * ends it. Of a piece with a NUL byte only what stands before it counts, and the next piece is appended to that; so
 * what is lost depends on how far the buffer had grown. Followed here to the letter, for the command line alone.
 */
export class LineBuffer {
  private size = FIRST_SIZE;
  private budget = COPY_BUDGET;

  reset(): void {
    this.size = FIRST_SIZE;
  }

  /** Reads from `from` on, to position `offset` of the buffer; `undefined` if this has become too much work. */
  line(text: string, from: number, offset: number): ReadLine | undefined {
    if (offset >= this.size - 1) this.size *= 2;
    let shown = "";
    let at = from;
    while (at < text.length) {
      const room = this.size - (offset + shown.length) - 1;
      const feed = text.indexOf("\n", at);
      const lineEnd = feed < 0 ? text.length : feed + 1;
      const pieceEnd = Math.min(lineEnd, at + room);
      const piece = text.slice(at, pieceEnd);
      const nul = piece.indexOf("\0");
      at = pieceEnd;
      if (nul >= 0) this.budget -= text.length;
      if (this.budget < 0) return undefined;
      if (nul === 0) break;
      shown += nul < 0 ? piece : piece.slice(0, nul);
      if (shown.endsWith("\n")) break;
      this.size *= 2;
    }
    return { taken: at - from, shown };
  }
}
