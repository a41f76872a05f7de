import { parseAddress } from "../../uci/address.ts";
import { byteString, bytesOf } from "../../uci/bytes.ts";
import { editAddList, editDelete, editDelList, editRename, editReorder, editSet, find } from "../../uci/edit.ts";
import { UCI_STATUS, UciFault } from "../../uci/fault.ts";
import { MergeTaker } from "../../uci/merge-taker.ts";
import { parseExport, parsePackage } from "../../uci/parse.ts";
import { printExport } from "../../uci/print.ts";
import { type ShowStyle, showChanges, showOption, showPackage, showSection, showValue } from "../../uci/show.ts";
import { parseIndex } from "../../uci/staged.ts";
import { readStatements } from "../../uci/statements.ts";
import { BATCH_WORDS, BatchInput } from "./batch-input.ts";
import type { Messages } from "./messages.ts";
import type { Loaded, Store } from "./store.ts";

export interface SessionStyle {
  delimiter: string;
  isExtended: boolean;
  /** `import` adds to the package instead of replacing it. */
  merges: boolean;
  /** `commit` does something. */
  commits: boolean;
}

interface SessionIo {
  input(): Promise<string>;
  print(text: string): void;
  help(): number;
}

const USAGE_STATUS = 255;

/** The edits that lead to staged changes, by the names of their commands. */
const EDITS = {
  set: editSet,
  add_list: editAddList,
  del_list: editDelList,
  del: editDelete,
  delete: editDelete,
  ren: editRename,
  rename: editRename,
  reorder: editReorder,
} as const;

/** `uci`'s commands, one after the other on the same files. Arguments and what is printed are byte strings. */
export class Session {
  readonly #store: Store;
  readonly #style: SessionStyle;
  readonly #messages: Messages;
  readonly #io: SessionIo;
  /** In a batch: its own lines, from which `import` reads as well. */
  #batch: BatchInput | undefined;

  constructor(store: Store, style: SessionStyle, messages: Messages, io: SessionIo) {
    this.#store = store;
    this.#style = style;
    this.#messages = messages;
    this.#io = io;
  }

  /** Runs a command and gives its exit status; 255 stands for wrong use. */
  async run(word: string, args: readonly string[]): Promise<number> {
    const command = word.toLowerCase();
    try {
      return await this.#command(command, args);
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      this.#messages.failed(thrown);
      // Of all commands only `add` hands libuci's own number on.
      return command === "add" ? UCI_STATUS[thrown.status].number : 1;
    }
  }

  async #command(command: string, args: readonly string[]): Promise<number> {
    switch (command) {
      case "batch":
        return this.#batch === undefined ? this.#runBatch() : USAGE_STATUS;
      case "show":
      case "changes":
      case "export":
      case "commit":
        return this.#packages(command, args);
      case "import":
        return this.#import(args);
      case "add":
        return this.#add(args);
      case "get":
        return this.#get(args);
      case "revert":
        return this.#revert(args);
      case "set":
      case "add_list":
      case "del_list":
      case "del":
      case "delete":
      case "ren":
      case "rename":
      case "reorder":
        return this.#edit(command, args);
      case "help":
        return this.#io.help();
      default:
        return USAGE_STATUS;
    }
  }

  async #packages(command: "show" | "changes" | "export" | "commit", args: readonly string[]): Promise<number> {
    if (args.length > 1) return USAGE_STATUS;
    const [one] = args;
    if (one !== undefined) {
      await this.#package(command, one);
      return 0;
    }
    for (const name of this.#store.names()) {
      try {
        await this.#package(command, name);
      } catch (thrown) {
        if (!(thrown instanceof UciFault)) throw thrown;
        this.#messages.failed(thrown);
      }
    }
    return 0;
  }

  async #package(command: "show" | "changes" | "export" | "commit", argument: string): Promise<void> {
    const address = parseAddress(argument);
    const loaded = this.#store.load(address.package);
    const found = find(loaded.draft, address);
    switch (command) {
      case "changes":
        return this.#io.print(showChanges(loaded.draft.name, loaded.staged));
      case "commit":
        return this.#style.commits ? this.#store.commit(loaded) : undefined;
      case "export":
        return this.#io.print(byteString(printExport(this.#store.printable(loaded.draft))));
      case "show": {
        const style: ShowStyle = this.#style;
        if (!found.isComplete) throw new UciFault({ status: "not-found" });
        const { section, option } = found;
        if (section === undefined) return this.#io.print(showPackage(loaded.draft, style));
        if (option === undefined) return this.#io.print(showSection(loaded.draft.name, section, style));
        return this.#io.print(showOption(loaded.draft.name, section.name, option, style));
      }
    }
  }

  #get([argument, ...more]: readonly string[]): number {
    if (argument === undefined || more.length > 0) return USAGE_STATUS;
    const address = parseAddress(argument);
    const { draft } = this.#store.load(address.package);
    const { section, option, isComplete } = find(draft, address);
    if (address.value !== undefined) return 1;
    if (!isComplete) throw new UciFault({ status: "not-found" });
    if (option !== undefined) this.#io.print(showValue(option, this.#style));
    else if (section !== undefined) this.#io.print(`${section.type}\n`);
    return 0;
  }

  async #edit(command: keyof typeof EDITS, [argument, ...more]: readonly string[]): Promise<number> {
    if (argument === undefined || more.length > 0) return USAGE_STATUS;
    const address = parseAddress(argument);
    const loaded = this.#store.load(address.package);
    find(loaded.draft, address);
    const isDelete = command === "del" || command === "delete";
    // No message for an index that is no number, as in libuci; and sscanf takes nothing at all for the end of input.
    if (isDelete && address.value && /\S/.test(address.value) && parseIndex(address.value) === undefined) return 1;
    const change = EDITS[command](loaded.draft, address);
    if (change !== undefined) await this.#store.stage(loaded, [change]);
    return 0;
  }

  async #revert([argument, ...more]: readonly string[]): Promise<number> {
    if (argument === undefined || more.length > 0) return USAGE_STATUS;
    const address = parseAddress(argument);
    const loaded = this.#store.load(address.package);
    const { name } = find(loaded.draft, address);
    if (address.value !== undefined) return 1;
    if (!loaded.isStageable) return 0;
    await this.#store.revert(loaded.draft.name, name, address.option);
    // libuci reads the file again, and so tells again what is wrong with it.
    if (this.#store.rules.isLenient === true) this.#loadIfPossible(loaded.draft.name);
    return 0;
  }

  async #add(args: readonly string[]): Promise<number> {
    const [name, type, ...more] = args;
    if (name === undefined || type === undefined || more.length > 0) return USAGE_STATUS;
    const loaded = this.#store.load(name);
    const section = loaded.draft.nextGeneratedName(type);
    await this.#store.stage(loaded, [{ kind: "add", section, option: undefined, value: type }]);
    this.#io.print(`${section}\n`);
    return 0;
  }

  async #import(args: readonly string[]): Promise<number> {
    const [name, ...more] = args;
    if (more.length > 0 || (name === undefined && this.#style.merges)) return USAGE_STATUS;
    const existing = name !== undefined && this.#style.merges ? this.#loadIfPossible(name) : undefined;
    // Merging changes what was loaded before it is known whether all of it can be.
    this.#store.forget();
    if (this.#batch !== undefined) return this.#batch.lend((input) => this.#importFrom(input, name, existing));
    return this.#importFrom(await this.#io.input(), name, existing);
  }

  async #importFrom(input: string, name: string | undefined, existing: Loaded | undefined): Promise<number> {
    const { rules } = this.#store;
    if (existing !== undefined) {
      const merging = new MergeTaker(existing.draft);
      readStatements(input, merging, { ...rules, hasPackage: true, isSingle: true });
      await this.#store.stageMerged(existing, merging.changes);
      return 0;
    }
    const packages =
      name === undefined ? parseExport(bytesOf(input), rules) : [parsePackage(bytesOf(input), { ...rules, name })];
    let last: UciFault | undefined;
    for (const pkg of packages) {
      last = undefined;
      try {
        await this.#store.replace(pkg);
      } catch (thrown) {
        if (!(thrown instanceof UciFault)) throw thrown;
        last = thrown;
      }
    }
    // Only the last package's fate is told, as libuci does.
    if (last !== undefined) throw last;
    return 0;
  }

  /** A package that is not there, or cannot be read, is made anew. */
  #loadIfPossible(name: string): Loaded | undefined {
    try {
      return this.#store.load(name);
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      return undefined;
    }
  }

  async #runBatch(): Promise<number> {
    const batch = new BatchInput(await this.#io.input());
    this.#batch = batch;
    this.#store.onRead = () => batch.countAnew();
    this.#messages.batchPlace = () => batch.place();
    await this.#store.remembering(async () => {
      while (await this.#batchLine(batch));
    });
    return 0;
  }

  async #batchLine(batch: BatchInput): Promise<boolean> {
    let words: string[] | undefined;
    try {
      words = batch.words();
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      this.#messages.failed(batch.recounted(thrown));
      return true;
    }
    if (words === undefined) return false;
    const [command, ...args] = words;
    if (command === undefined) return true;
    if (words.length >= BATCH_WORDS) {
      this.#messages.plain("Too many arguments\n");
      return true;
    }
    if (command.toLowerCase() === "exit") return false;
    if ((await this.run(command, args)) === USAGE_STATUS) this.#messages.plain("Unknown command\n");
    return true;
  }
}
