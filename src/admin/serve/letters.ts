import type { IncomingMessage } from "node:http";

/** Where devices on a bench post their reports; no tree has such a file. */
export const LETTERS = "/.report";

/** A report as much as a bench shows of it (docs/report.md). */
export interface Told {
  /** In the words of SZTP. */
  readonly progress: string;
  /** Why it failed, or what it came to. */
  readonly about: string | undefined;
}

/** More than any letter has; what is longer is none of a device's. */
const MOST_BYTES = 65_536;
const LONGEST_MS = 10_000;

/** What the letter in this request says; undefined: it is none, too long, or takes too long. */
export async function letterIn(request: IncomingMessage): Promise<Told | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  const late = setTimeout(() => request.destroy(), LONGEST_MS);
  try {
    for await (const part of request) {
      if (!Buffer.isBuffer(part)) return undefined;
      size += part.length;
      if (size > MOST_BYTES) return undefined;
      parts.push(part);
    }
    return readLetter(JSON.parse(Buffer.concat(parts).toString("utf8")));
  } catch {
    return undefined;
  } finally {
    clearTimeout(late);
  }
}

function readLetter(letter: unknown): Told | undefined {
  const progress = wordAt(letter, "progress");
  if (progress === undefined) return undefined;
  return { progress, about: wordAt(letter, "error", "code") ?? wordAt(letter, "run", "result") };
}

/** A short word and nothing that a terminal acts on. */
function wordAt(value: unknown, ...path: readonly string[]): string | undefined {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.entries(at).find(([key]) => key === name)?.[1];
  }
  return typeof at === "string" && /^[A-Za-z_-]{1,40}$/.test(at) ? at : undefined;
}
