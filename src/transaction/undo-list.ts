import { ProvisionError } from "../errors.ts";
import { devicePath } from "../paths.ts";

/**
 * How one path gets back to what it was. `restore` and `link`: the file or link kept under that number is copied there;
 * `remove`: nothing was there; `rmdir`: the folder was made for the transaction.
 */
export interface UndoItem {
  readonly kind: "restore" | "link" | "remove" | "rmdir";
  /** Of the kept original and of the temporary beside the path. */
  readonly number: number;
  readonly path: string;
}

const HEAD = "uciprov-undo 1";

/** One item a line, the path last and unquoted (it holds no control character), with a head and a counted end. */
export function printUndoList(items: readonly UndoItem[]): string {
  const lines = items.map(({ kind, number, path }) => `${kind} ${number} ${path}`);
  return [HEAD, ...lines, `end ${items.length}`, ""].join("\n");
}

/** JOURNAL_INVALID: the list is cut, garbled or of another version; then nothing of it may be replayed. */
export function parseUndoList(text: string, file: string): UndoItem[] {
  const lines = text.split("\n");
  const last = lines.pop();
  const end = lines.pop();
  if (last !== "" || lines.shift() !== HEAD || end !== `end ${lines.length}`) throw invalid(file, "head or end");
  return lines.map((line, index) => {
    const [, kind, number, path] = /^(restore|link|remove|rmdir) ([0-9]{1,7}) (.*)$/s.exec(line) ?? [];
    if (number === undefined || path === undefined || !isKind(kind)) throw invalid(file, `line ${index + 2}`);
    return { kind, number: Number(number), path: devicePath(path) };
  });
}

function isKind(text: string | undefined): text is UndoItem["kind"] {
  return text === "restore" || text === "link" || text === "remove" || text === "rmdir";
}

function invalid(file: string, what: string): ProvisionError {
  return new ProvisionError("JOURNAL_INVALID", `the undo list is damaged (${what})`, { place: { file } });
}
