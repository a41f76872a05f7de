import type { MacroTable } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { isNetworkTaught, type MacroValue } from "../../macros.ts";
import type { Settings } from "../../settings.ts";
import { FIRST_BOOT } from "../../stages/preinit.ts";
import { candidates, entryName } from "../../tree/resources.ts";
import { type PlainUri, parseUri } from "../../uri.ts";
import type { InventoryDevice } from "../inventory.ts";
import type { ResourceShape } from "./resource-shapes.ts";

/** Any place does: only what stands below it counts. */
const BASE: PlainUri = parseUri("https://tree.invalid/", "the tree");

/** `config macro` of the settings. */
export type SettingMacro = Settings["macros"][number];

/** One file a device would take for a resource, in the order of the layers. */
export interface Chosen {
  readonly shape: ResourceShape;
  readonly name: string;
}

/** A resource's URI that cannot be made for a device, because of a macro. */
export interface Missing {
  readonly shape: ResourceShape;
  readonly why: string;
}

export interface Asked {
  readonly chosen: readonly Chosen[];
  /** Names it would ask for, whether they are there or not. */
  readonly names: readonly string[];
  readonly missing: readonly Missing[];
}

/** A device's macros as its run would have them, at the first boot or later. */
export function macrosOf(
  { facts, macros }: InventoryDevice,
  state: { readonly fd: string; readonly hostname: string },
  settings: readonly SettingMacro[],
): MacroTable {
  const [target, subtarget] = facts.target?.split("/") ?? [];
  const own: Record<string, string | undefined> = {
    ...facts,
    target,
    subtarget,
    hostname: state.hostname,
    fd: state.fd,
  };
  const table = new Map<string, MacroValue>();
  for (const { name, value } of settings) table.set(name, { value, isTainted: false, origin: "settings" });
  for (const [name, value] of Object.entries(macros))
    table.set(name, { value, isTainted: isNetworkTaught(name), origin: "inventory" });
  for (const [name, value] of Object.entries(own))
    if (value !== undefined) table.set(name, { value, isTainted: false, origin: "inventory", isLiteral: true });
  return table.set("base_uri", { value: BASE.text, isTainted: false, origin: "tree", isLiteral: true });
}

/**
 * Which files of the tree a device asks for and takes. One instance keeps what it has expanded: most devices differ in a name or two only.
 */
export class Asking {
  readonly #has: (name: string) => boolean;
  readonly #expanded = new Map<string, readonly string[] | string>();

  constructor(has: (name: string) => boolean) {
    this.#has = has;
  }

  ask(shapes: readonly ResourceShape[], macros: MacroTable): Asked {
    const names: string[] = [];
    const chosen: Chosen[] = [];
    const missing: Missing[] = [];
    for (const shape of shapes) {
      const found = this.#namesOf(shape, macros);
      if (typeof found === "string") {
        if (found !== "") missing.push({ shape, why: found });
        continue;
      }
      names.push(...found);
      const name = found.find(this.#has);
      if (name !== undefined) chosen.push({ shape, name });
    }
    return { chosen, names, missing };
  }

  /** A text tells why there are none; the empty one: it is not for this device, or does not lie in the tree. */
  #namesOf(shape: ResourceShape, macros: MacroTable): readonly string[] | string {
    const uses = shape.template.parts.flatMap((part) => (part.kind === "macro" ? [part.name] : []));
    const isSimple = uses.every((name) => macros.get(name)?.isLiteral === true);
    const key = isSimple ? [shape.template.text, ...uses.map((name) => macros.get(name)?.value)].join("\0") : undefined;
    const known = key === undefined ? undefined : this.#expanded.get(key);
    if (known !== undefined) return known;
    const found = expand(shape, macros);
    if (key !== undefined && this.#expanded.size < 500_000) this.#expanded.set(key, found);
    return found;
  }
}

function expand(shape: ResourceShape, macros: MacroTable): readonly string[] | string {
  try {
    return candidates(shape.template, macros).flatMap(({ text }) => entryName(parseUri(text, shape.name), BASE) ?? []);
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    return isHarmless(shape, thrown) ? "" : thrown.message;
  }
}

/** What a module brings itself is then not for this device (as `fetch` has it); what the network teaches, no inventory can know. */
function isHarmless({ module, name, template }: ResourceShape, error: ProvisionError): boolean {
  if (error.code !== "MACRO_UNKNOWN") return false;
  const isDefault = module.resources?.[name]?.uri === template.text;
  return isDefault || template.parts.some((part) => part.kind === "macro" && isNetworkTaught(part.name));
}

/** Where a device begins: its hostname is the image's, unless the inventory knows better. */
export function firstBoot({ facts }: InventoryDevice): { readonly fd: string; readonly hostname: string } {
  return { fd: FIRST_BOOT, hostname: facts.hostname ?? "OpenWrt" };
}
