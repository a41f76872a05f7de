/** Bytes as they come → lines that matter, as text. Never holds more than one line. */

export interface LineCutter {
  /** Lines that end in these bytes; the unfinished one waits. */
  take(bytes: Buffer): void;
  /** What waits is dropped: it was the end of another file. */
  reset(): void;
  /** Bytes that wait. */
  readonly waiting: number;
}

const LINE_FEED = 0x0a;

/**
 * `mark`: lines without these bytes are only counted. `longest`: bytes; a longer line is `onLong`, told once. UTF-8 that is none becomes U+FFFD.
 */
export function lineCutter(how: {
  readonly mark: string;
  readonly longest: number;
  readonly onLine: (line: string) => void;
  readonly onPassed: () => void;
  readonly onLong: () => void;
}): LineCutter {
  const mark = Buffer.from(how.mark);
  let rest: Buffer = Buffer.alloc(0);
  let isSkipping = false;
  const lineDone = (line: Buffer): void => {
    if (line.length > how.longest) how.onLong();
    else if (line.includes(mark)) how.onLine(line.toString("utf8"));
    else how.onPassed();
  };
  return {
    take(bytes) {
      let start = 0;
      for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
        const line = bytes.subarray(start, end);
        if (isSkipping) isSkipping = false;
        else lineDone(rest.length === 0 ? line : Buffer.concat([rest, line]));
        rest = Buffer.alloc(0);
        start = end + 1;
      }
      if (isSkipping || start === bytes.length) return;
      rest = Buffer.concat([rest, bytes.subarray(start)]);
      if (rest.length <= how.longest) return;
      how.onLong();
      isSkipping = true;
      rest = Buffer.alloc(0);
    },
    reset() {
      rest = Buffer.alloc(0);
      isSkipping = false;
    },
    get waiting() {
      return rest.length;
    },
  };
}
