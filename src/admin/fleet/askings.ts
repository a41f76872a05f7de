import type { MacroTable, Module } from "../../api.ts";
import type { Expanded } from "../../macros.ts";
import type { Settings } from "../../settings.ts";
import { baseMacros } from "../../stages/base-macros.ts";
import { triesOf } from "../../stages/fetch/resources.ts";
import { type Wanted, wantedResources } from "../../stages/fetch/wanted.ts";
import type { FleetDevice } from "./paper-tree.ts";

/** What a device asks for, in its order: the same for every version of the tree. Devices for which all macros of a name are the same share the list of tries. */
export type Asked = readonly { readonly wanted: Wanted; readonly tries: readonly Expanded[] }[];

/** Expansions that came out before, by the macros that they looked at. */
interface Known {
  readonly names: readonly string[];
  readonly byValues: Map<string, readonly Expanded[]>;
}

/** Expands the names of what devices ask for, each once for all devices whose macros of that name are the same. */
export class Askings {
  readonly #modules: readonly Module[];
  readonly #wanted = new WeakMap<Settings, readonly Wanted[]>();
  readonly #known = new WeakMap<Wanted, Map<string, Known>>();

  constructor(modules: readonly Module[]) {
    this.#modules = modules;
  }

  of(one: FleetDevice): Asked {
    const macros = baseMacros(one.device, one.source);
    return this.#wantedBy(one.device.settings).map((wanted) => ({ wanted, tries: this.#tries(one, wanted, macros) }));
  }

  #wantedBy(settings: Settings): readonly Wanted[] {
    const wanted = this.#wanted.get(settings) ?? wantedResources(settings, this.#modules);
    this.#wanted.set(settings, wanted);
    return wanted;
  }

  #tries({ device }: FleetDevice, wanted: Wanted, macros: MacroTable): readonly Expanded[] {
    // An image's name may hold more of the device than its macros.
    if (wanted.isImage) return triesOf(device, wanted, macros);
    const lists = this.#known.get(wanted) ?? new Map<string, Known>();
    this.#known.set(wanted, lists);
    for (const { names, byValues } of lists.values()) {
      const found = byValues.get(valuesOf(names, macros));
      if (found !== undefined) return found;
    }
    const made = triesOf(device, wanted, macros);
    const names = [...new Set(made.flatMap(({ used }) => [...used]))].sort();
    // A name that could not be expanded looked at something that is not told.
    if (made.length === 0) return made;
    const list = lists.get(names.join(" ")) ?? { names, byValues: new Map() };
    lists.set(names.join(" "), list);
    list.byValues.set(valuesOf(names, macros), made);
    return made;
  }
}

/** Same text, same expansion: macros that a value names are among the names. */
function valuesOf(names: readonly string[], macros: MacroTable): string {
  let text = "";
  for (const name of names) {
    const one = macros.get(name);
    text += one === undefined ? "-\n" : `${one.isTainted ? "?" : "="}${one.isLiteral ? "'" : ""}${one.value}\n`;
  }
  return text;
}
