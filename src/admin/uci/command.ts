import { readFileSync } from "node:fs";
import { join } from "node:path";
import { byteString, bytesOf, fromText } from "../../uci/bytes.ts";
import { Messages } from "./messages.ts";
import { Session, type SessionStyle } from "./session.ts";
import { FOLDERS, Store, type StoreFolders } from "./store.ts";
import { usage } from "./usage.ts";
import { splitOptions } from "./words.ts";

/** What the command line touches of the world. */
export interface UciIo {
  /** All of standard input; asked for only by commands that read it. */
  stdin(): Promise<Uint8Array> | Uint8Array;
  stdout(bytes: Uint8Array): void;
  stderr(bytes: Uint8Array): void;
  /** Absolute paths lie below this folder; `/` on a device. */
  readonly root: string;
  /** As it was called: stands in front of messages. */
  readonly programName: string;
}

const LETTERS = "c:C:d:f:LmnNp:P:qsSt:X";

/** Wrong use: the help text is printed, too. */
const USAGE_STATUS = 255;

/**
 * OpenWrt's `uci`: same options and commands, output, exit status and staged files. `argv` is what follows the program's
 * name; the number is the exit status.
 */
export async function uciCommand(argv: readonly string[], io: UciIo): Promise<number> {
  const messages = new Messages(io.programName, (text) => io.stderr(bytesOf(text)));
  const inRoot = (path: string) => (io.root === "/" || !path.startsWith("/") ? path : join(io.root, path));
  const folders: StoreFolders = {
    inRoot,
    config: inRoot(FOLDERS.config),
    override: inRoot(FOLDERS.override),
    staged: [inRoot(FOLDERS.staged)],
  };
  const store = new Store(folders);
  const style: SessionStyle = { delimiter: " ", isExtended: true, merges: false, commits: true };
  const help = (status: number) => {
    io.stderr(bytesOf(usage(io.programName)));
    return status;
  };
  let input: (() => Promise<Uint8Array> | Uint8Array) | undefined;

  const { options, operands, complaint } = splitOptions(argv.map(fromText), LETTERS);
  for (const { letter, argument = "" } of options) {
    switch (letter) {
      case "c":
        folders.config = inRoot(argument);
        break;
      case "C":
        folders.override = argument === "" ? undefined : inRoot(argument);
        break;
      case "d":
        style.delimiter = argument;
        break;
      case "f": {
        if (input !== undefined) {
          messages.plain("Too many input files.\n");
          return 1;
        }
        const bytes = readInput(inRoot(argument), messages);
        if (bytes === undefined) return 1;
        input = () => bytes;
        break;
      }
      case "m":
        style.merges = true;
        break;
      case "n":
      case "N":
        store.namesAnonymous = letter === "n";
        break;
      case "p":
        addStagedFolder(folders, inRoot(argument));
        break;
      case "P":
      case "t":
        setSaveFolder(folders, inRoot(argument));
        if (letter === "P") style.commits = false;
        break;
      case "q":
        messages.isQuiet = true;
        break;
      case "s":
        store.rules = { ...store.rules, isLenient: false };
        break;
      case "S":
        store.rules = { ...store.rules, isLenient: true, onFault: (fault) => messages.lenient(fault) };
        break;
      case "X":
        style.isExtended = false;
        break;
      default:
        return help(0);
    }
  }
  if (complaint !== undefined) {
    io.stderr(bytesOf(`${io.programName}: ${complaint}\n`));
    return help(0);
  }
  const [command, ...args] = operands;
  if (command === undefined) return help(0);

  const session = new Session(store, style, messages, {
    input: async () => byteString(await (input ?? io.stdin)()),
    print: (text) => io.stdout(bytesOf(text)),
    help: () => help(0),
  });
  const status = await session.run(command, args);
  return status === USAGE_STATUS ? help(status) : status;
}

function readInput(path: string, messages: Messages): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    messages.plain(
      `uci: ${code === "ENOENT" ? "No such file or directory" : code === "EACCES" ? "Permission denied" : "I/O error"}`,
    );
    return undefined;
  }
}

/** The folder that is written stays the last one. */
function addStagedFolder(folders: StoreFolders, folder: string): void {
  if (!folders.staged.includes(folder)) folders.staged.splice(-1, 0, folder);
}

function setSaveFolder(folders: StoreFolders, folder: string): void {
  const at = folders.staged.indexOf(folder);
  if (at >= 0) folders.staged.splice(at, 1);
  folders.staged.push(folder);
}
