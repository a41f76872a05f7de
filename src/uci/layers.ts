import type { Finding } from "../errors.ts";
import { parseAddress } from "./address.ts";
import type { BatchLine } from "./batch.ts";
import { toText } from "./bytes.ts";
import { Draft, type DraftSection } from "./draft.ts";
import { editAddList, editDelete, editDelList, editRename, editReorder, editSet, find } from "./edit.ts";
import { UciFault } from "./fault.ts";
import { anonymousIdentity, countBy, numbering, ONLY_ONES } from "./identity.ts";
import type { UciPackage, UciSection } from "./model.ts";
import { isPrintableType, isType } from "./names.ts";
import { replay, type StagedChange } from "./staged.ts";

/** What one resource says about a package; `origin` is handed on to `blame` (URI and signer, for people). */
export type Layer =
  | { readonly mode: "merge" | "replace"; readonly content: UciPackage; readonly origin: string }
  | { readonly mode: "batch"; readonly content: readonly BatchLine[]; readonly origin: string };

/** That a layer said something of a section: all of it, or of one option. */
interface Touch {
  readonly origin: string;
  /** It made the section. */
  readonly isNew: boolean;
  readonly options: readonly { readonly name: string }[];
}

/** A package on which layers are put, one after the other. */
export class Layered {
  readonly draft: Draft;
  readonly findings: Finding[] = [];
  readonly #touches = new Map<DraftSection, Touch[]>();

  constructor(base: UciPackage) {
    this.draft = new Draft(base);
  }

  put(layer: Layer): void {
    if (layer.mode === "batch") this.#batch(layer.content, layer.origin);
    else this.#sections(layer.content, layer.origin, layer.mode === "replace");
  }

  #sections(content: UciPackage, origin: string, replaces: boolean): void {
    const twins = this.#matches(content.sections, origin, replaces);
    const stays = new Set<DraftSection>();
    const order: DraftSection[] = [];
    content.sections.forEach((from, i) => {
      let section = twins[i];
      let isNew = false;
      if (section === "conflict" || !this.#canBePrinted(from.type, origin)) return;
      if (section === undefined) {
        section = this.draft.addCopy(withoutEmpty(from));
        isNew = true;
      } else if (replaces) {
        for (const option of [...section.options]) section.options.remove(option);
      }
      if (replaces) {
        if (!stays.has(section)) order.push(section);
        stays.add(section);
      }
      if (!isNew) section.setAll(from.options);
      this.#touch(section, { origin, isNew, options: from.options });
    });
    if (!replaces) return;
    for (const section of [...this.draft.sections]) if (!stays.has(section)) this.draft.removeSection(section);
    this.draft.arrangeSections(order);
  }

  #canBePrinted(type: string, origin: string): boolean {
    const can = isPrintableType(type);
    if (!can)
      this.#find("error", `${origin}: a section's type ${JSON.stringify(toText(type))} would be read as another one`);
    return can;
  }

  /** For each section of a layer the one it is about, `undefined` for a new one. */
  #matches(
    sections: readonly UciSection[],
    origin: string,
    replaces: boolean,
  ): (DraftSection | "conflict" | undefined)[] {
    const anonymous = new AnonymousMatcher(this.draft, sections);
    return sections.map((section) => {
      if (section.name === undefined) return anonymous.match(section);
      const named = this.draft.sections.find(section.name);
      if (named === undefined || named.isAnonymous) return undefined;
      if (named.type === section.type) return named;
      if (replaces) {
        this.draft.removeSection(named);
        return undefined;
      }
      this.#find(
        "error",
        `${this.draft.name}.${section.name} is "${named.type}", and ${origin} says "${section.type}"`,
      );
      return "conflict";
    });
  }

  #batch(lines: readonly BatchLine[], origin: string): void {
    for (const line of lines) {
      if (line.package !== this.draft.name) continue;
      try {
        this.#batchLine(line, origin);
      } catch (thrown) {
        if (!(thrown instanceof UciFault)) throw thrown;
        // A device without what is to be deleted is as the tree wants it.
        const isDone = thrown.status === "not-found" && (line.command === "delete" || line.command === "del_list");
        this.#find(
          isDone ? "note" : "error",
          `${line.command} ${toText(line.args.join(" "))}: ${thrown.message}`,
          line,
        );
      }
    }
  }

  #batchLine({ command, args }: BatchLine, origin: string): void {
    const [argument = "", type = ""] = args;
    if (command === "add") {
      if (!isType(type) || !isPrintableType(type)) throw new UciFault({ status: "invalid" });
      this.#touch(this.draft.addSection(type), { origin, isNew: true, options: [] });
      return;
    }
    const change = this.#editFor(command, argument);
    if (change === undefined) return;
    const retypes = change.kind === "set" && change.option === undefined;
    if (retypes && !isPrintableType(change.value ?? "")) throw new UciFault({ status: "invalid" });
    if (!replay(this.draft, change)) throw new UciFault({ status: "invalid" });
    const section = this.draft.sections.find(
      change.kind === "rename" && change.option === undefined ? (change.value ?? "") : change.section,
    );
    if (section === undefined) return;
    const option = change.kind === "rename" && change.option !== undefined ? change.value : change.option;
    this.#touch(section, {
      origin,
      isNew: option === undefined,
      options: option === undefined ? [] : [{ name: option }],
    });
  }

  #editFor(command: Exclude<BatchLine["command"], "add">, argument: string): StagedChange | undefined {
    const address = parseAddress(argument);
    const { draft } = this;
    switch (command) {
      case "set":
        return editSet(draft, address);
      case "add_list": {
        // Adds what is missing: the same line in two layers adds it once.
        const value = find(draft, address).option?.value;
        const isThere = typeof value === "string" ? value === address.value : value?.includes(address.value ?? "");
        return isThere === true ? undefined : editAddList(draft, address);
      }
      case "del_list":
        return editDelList(draft, address);
      case "delete":
        return editDelete(draft, address);
      case "rename":
        return editRename(draft, address);
      case "reorder":
        return editReorder(draft, address);
    }
  }

  /** Who said last what the section, or its option, is; `undefined`: no layer did. */
  originOf(section: DraftSection, option: string | undefined): string | undefined {
    const touches = this.#touches.get(section) ?? [];
    const isMeant = ({ isNew, options }: Touch) =>
      option === undefined ? isNew : options.some(({ name }) => name === option);
    return touches.findLast(isMeant)?.origin;
  }

  /** The section, or its option, is the device's own after all. */
  disown(section: DraftSection, option?: string): void {
    const touches = this.#touches.get(section);
    if (touches === undefined || option === undefined) this.#touches.delete(section);
    else
      this.#touches.set(
        section,
        touches.map((touch) => ({ ...touch, options: touch.options.filter(({ name }) => name !== option) })),
      );
  }

  #touch(section: DraftSection, touch: Touch): void {
    const touches = this.#touches.get(section);
    if (touches === undefined) this.#touches.set(section, [touch]);
    else touches.push(touch);
  }

  #find(severity: Finding["severity"], message: string, line?: BatchLine): void {
    const place = line && { ...(line.file === undefined ? {} : { file: line.file }), line: line.line };
    this.findings.push({ code: "UCI_CONFLICT", message, severity, ...(place === undefined ? {} : { place }) });
  }
}

/** An empty option says nothing. */
function withoutEmpty(section: UciSection): UciSection {
  if (section.options.every(({ value }) => value.length > 0)) return section;
  return { ...section, options: section.options.filter(({ value }) => value.length > 0) };
}

/** Finds for the anonymous sections of a layer the ones they are about, each at most once. */
class AnonymousMatcher {
  readonly #layerHas: Map<string, number>;
  readonly #draft: Draft;
  readonly #byType = new Map<string, DraftSection[]>();
  readonly #byIdentity = new Map<string, DraftSection>();
  readonly #identify = numbering();
  readonly #taken = new Set<DraftSection>();

  constructor(draft: Draft, layer: readonly UciSection[]) {
    this.#draft = draft;
    this.#layerHas = countBy(layer, ({ type }) => type);
    if (layer.every(({ name }) => name !== undefined)) return;
    const identifyOwn = numbering();
    for (const section of draft.sections) {
      const ofType = this.#byType.get(section.type);
      if (ofType === undefined) this.#byType.set(section.type, [section]);
      else ofType.push(section);
      if (section.isAnonymous) this.#byIdentity.set(identifyOwn(anonymousIdentity(section.section())), section);
    }
  }

  match(section: UciSection): DraftSection | undefined {
    const ofType = this.#byType.get(section.type) ?? [];
    const isOnly = ONLY_ONES.has(`${this.#draft.name}.${section.type}`) && this.#layerHas.get(section.type) === 1;
    const found =
      isOnly && ofType.length === 1 ? ofType[0] : this.#byIdentity.get(this.#identify(anonymousIdentity(section)));
    if (found === undefined || this.#taken.has(found)) return undefined;
    this.#taken.add(found);
    return found;
  }
}
