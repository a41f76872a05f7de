import { toText } from "../../uci/bytes.ts";
import type { UciPackage } from "../../uci/model.ts";
import type { Report } from "./rules.ts";
import { knownSections, sectionSchema, suggestion } from "./schema.ts";
import { uciStatements } from "./uci-text.ts";
import { itemType, valueFault } from "./value-types.ts";

interface Place {
  readonly line?: number;
  readonly byte?: number;
}

/** One `config` block as it stands in a file; texts for people. */
interface Block extends Place {
  readonly pkg: string;
  readonly type: string;
  readonly label: string;
  readonly options: readonly (Place & { readonly name: string; readonly value: string; readonly isList: boolean })[];
}

/** Checks what a UCI file says against what OpenWrt's programs read. The text (a byte string) must be one the engine has read. */
export function checkUciText(text: string, defaultPackage: string | undefined, file: string, report: Report): void {
  const blocks = blocksIn(text, defaultPackage);
  for (const block of blocks) checkBlock(block, file, report);
  tellSaidTwice(blocks, file, report);
}

/** The same for a package of which only the content is known. */
export function checkUciPackage(pkg: UciPackage, file: string, report: Report): void {
  const counts = new Map<string, number>();
  for (const { type, name, options } of pkg.sections) {
    const index = counts.get(type) ?? 0;
    counts.set(type, index + 1);
    const told = options.flatMap(({ name: option, value }) =>
      typeof value === "string"
        ? [{ name: option, value: toText(value), isList: false }]
        : value.map((item) => ({ name: option, value: toText(item), isList: true })),
    );
    checkBlock(
      { pkg: pkg.name, type: toText(type), label: name ?? `@${toText(type)}[${index}]`, options: told },
      file,
      report,
    );
  }
}

function blocksIn(text: string, defaultPackage: string | undefined): Block[] {
  const blocks: (Block & { options: Block["options"][number][] })[] = [];
  const counts = new Map<string, number>();
  let pkg = defaultPackage ?? "";
  for (const { words, line, byte } of uciStatements(text)) {
    const [keyword = "", name = "", value = ""] = words.map(toText);
    if (keyword === "package" && defaultPackage === undefined) {
      pkg = name;
      counts.clear();
    } else if (keyword === "config") {
      // As `uci` counts: also the named ones, each once.
      const index = counts.get(name) ?? 0;
      if (value === "" || !blocks.some((block) => block.pkg === pkg && block.label === value))
        counts.set(name, index + 1);
      blocks.push({ pkg, type: name, label: value === "" ? `@${name}[${index}]` : value, line, byte, options: [] });
    } else if (keyword === "option" || keyword === "list") {
      blocks.at(-1)?.options.push({ name, value, isList: keyword === "list", line, byte });
    }
  }
  return blocks;
}

/** Where a file says an option (the last time, which counts) or begins a section; paths as findings have them. */
export function placesIn(text: string, defaultPackage: string | undefined): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const block of blocksIn(text, defaultPackage)) {
    const path = `${block.pkg}.${block.label}`;
    if (!places.has(path)) places.set(path, placeOf(block));
    for (const option of block.options) places.set(`${path}.${option.name}`, placeOf(option));
  }
  return places;
}

function checkBlock(block: Block, file: string, report: Report): void {
  const known = knownSections(block.pkg);
  if (known === undefined) return;
  const selected = (option: string) => block.options.findLast(({ name }) => name === option)?.value;
  const schema = sectionSchema(block.pkg, block.type, selected);
  const path = `${block.pkg}.${block.label}`;
  if (schema === undefined) {
    const message = `${path}: nobody reads sections of type ${JSON.stringify(block.type)}${suggestion(block.type, known)}`;
    report({ rule: "uci-unknown-section", message, file, ...placeOf(block) });
    return;
  }
  const listed = new Set<string>();
  for (const option of block.options) {
    const type = schema.types.get(option.name);
    if (type === undefined) {
      if (schema.isOpen || listed.has(option.name)) continue;
      listed.add(option.name);
      const message = `${path}.${option.name}: nobody reads this option${suggestion(option.name, schema.types.keys())}`;
      report({ rule: "uci-unknown-option", message, file, ...placeOf(option) });
      continue;
    }
    const wrong = optionFault(type, option);
    if (wrong !== undefined)
      report({ rule: "uci-wrong-type", message: `${path}.${option.name} is ${wrong}`, file, ...placeOf(option) });
  }
}

/** An empty value takes an option away; a list in one `option` is separated by blanks, as netifd and the shell read it. */
function optionFault(type: string, { value, isList }: Block["options"][number]): string | undefined {
  if (value === "") return undefined;
  const { item, isList: mayBeList } = itemType(type);
  if (isList && !mayBeList) return "a list, and one value is read";
  const items = mayBeList && !isList ? value.trim().split(/\s+/) : [value];
  for (const one of items) {
    const fault = valueFault(item, one);
    if (fault !== undefined) return `${JSON.stringify(one.slice(0, 80))}: ${fault}`;
  }
  return undefined;
}

function tellSaidTwice(blocks: readonly Block[], file: string, report: Report): void {
  const said = new Map<string, Block["options"][number]>();
  for (const [number, block] of blocks.entries()) {
    const section = block.label.startsWith("@") ? `${block.pkg}#${number}` : `${block.pkg}.${block.label}`;
    for (const option of block.options) {
      if (option.isList) continue;
      const key = `${section}.${option.name}`;
      const before = said.get(key);
      said.set(key, option);
      if (before === undefined || before.value === option.value) continue;
      const message = `${block.pkg}.${block.label}.${option.name} has another value in line ${before.line}; this one counts`;
      report({ rule: "uci-said-twice", message, file, ...placeOf(option) });
    }
  }
}

function placeOf({ line, byte }: Place): Place {
  return { ...(line === undefined ? {} : { line }), ...(byte === undefined ? {} : { byte }) };
}
