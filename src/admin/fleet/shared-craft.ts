import type { Change, Finding, MacroTable, Module, PlanContext, Resource } from "../../api.ts";
import { type Craft, settlePlainly } from "../../stages/validate.ts";
import type { UciPackage } from "../../uci/model.ts";
import { printConfig } from "../../uci/print.ts";
import type { Layer } from "../../uci/settle.ts";

/** How much work was done, for tests and for whoever wonders: a fleet of any size must not parse a file twice. */
export interface Work {
  /** Resources read by a module: each different file once. */
  parses: number;
  /** Plans of modules made, not looked up. */
  modulePlans: number;
  /** Packages merged, not looked up. */
  merges: number;
}

/**
 * Makes for many devices what the plan of one is made of, each thing once. What a module makes depends on the resources it got and on what it looked at besides
 * (facts, macros, planned packages): that is watched, and only a device for which all of it is the same gets the same. Files, settings and keys have to be the same for all
 * devices that share a craft.
 */
export function sharedCraft(work: Work): Craft {
  const read = new Map<string, unknown>();
  const plans = new Map<string, Planned[]>();
  const merged = new Map<string, ReturnType<Craft["settle"]>>();
  const packages = new Map<string, UciPackage | undefined>();
  const idOf = numbering();
  const texts = new Map<string, object>();
  const asOne = new WeakMap<object, object>();
  /** The same number for layers that say the same: two versions of a file often differ in one package of five. */
  const contentId = (content: Layer["content"]): number => {
    if (!("sections" in content)) return idOf(content);
    const known = asOne.get(content);
    if (known !== undefined) return idOf(known);
    const text = `${content.name}\n${Buffer.from(printConfig(content)).toString("latin1")}`;
    const first = texts.get(text) ?? content;
    texts.set(text, first);
    asOne.set(content, first);
    return idOf(first);
  };
  const once = <T>(resource: Resource, make: () => T): T => {
    const key = `${resource.origin.module} ${resource.name} ${resource.uri} ${resource.sha256}`;
    const known = read.get(key);
    if (known !== undefined) return known as T; // the key holds all that `make` may depend on
    work.parses++;
    const made = make();
    read.set(key, made);
    return made;
  };
  return {
    async changes(module, context) {
      const key = keyOf(module, context.resources);
      const known = plans.get(key)?.find((one) => isSame(one.seen, context));
      const planned = known ?? (await watchedPlan(module, { ...context, once }));
      if (known === undefined) {
        work.modulePlans++;
        plans.set(key, [...(plans.get(key) ?? []), planned]);
      }
      for (const { severity, code, message, place } of planned.findings)
        context.finding(severity, code, message, place);
      return planned.changes;
    },
    settle(current, record, layers, protect) {
      const key = [
        idOf(current),
        idOf(record),
        ...layers.map(({ mode, content, origin }) => `${mode} ${contentId(content)} ${origin}`),
      ].join("\n");
      const known = merged.get(key);
      if (known !== undefined) return known;
      work.merges++;
      const made = settlePlainly.settle(current, record, layers, protect);
      merged.set(key, made);
      return made;
    },
    readPackage(ctx, name) {
      if (!packages.has(name)) packages.set(name, settlePlainly.readPackage(ctx, name));
      return packages.get(name);
    },
  };
}

/** What a module made, and all it looked at besides its resources. */
interface Planned {
  readonly changes: readonly Change[];
  readonly findings: readonly Finding[];
  readonly seen: readonly Seen[];
}

type Seen =
  | { readonly kind: "fact"; readonly name: string; readonly value: unknown }
  | { readonly kind: "macro"; readonly name: string; readonly value: string | undefined }
  | { readonly kind: "macros"; readonly value: MacroTable }
  | { readonly kind: "uci"; readonly name: string; readonly value: UciPackage | undefined };

const keys = new WeakMap<Resource, string>();

function keyOf(module: Module, resources: readonly Resource[]): string {
  let key = module.name;
  for (const one of resources) {
    const known = keys.get(one) ?? JSON.stringify([one.name, one.uri, one.sha256, one.origin.signer, one.release]);
    keys.set(one, known);
    key += known;
  }
  return key;
}

function isSame(seen: readonly Seen[], context: PlanContext): boolean {
  return seen.every((one) => isStillSo(one, context));
}

function isStillSo(seen: Seen, { facts, macros, uci }: PlanContext): boolean {
  switch (seen.kind) {
    case "fact":
      return Reflect.get(facts, seen.name) === seen.value;
    case "macro":
      return macros.get(seen.name)?.value === seen.value;
    case "macros":
      return macros === seen.value;
    case "uci":
      return uci(seen.name) === seen.value;
  }
}

async function watchedPlan(module: Module, context: PlanContext): Promise<Planned> {
  const seen: Seen[] = [];
  const findings: Finding[] = [];
  const watched: PlanContext = {
    ...context,
    facts: new Proxy(context.facts, {
      get(facts, name) {
        const value: unknown = Reflect.get(facts, name);
        seen.push({ kind: "fact", name: String(name), value });
        return value;
      },
      ownKeys(facts) {
        for (const [name, value] of Object.entries(facts)) seen.push({ kind: "fact", name, value });
        return Reflect.ownKeys(facts);
      },
    }),
    macros: watchedMacros(context.macros, seen),
    uci(name) {
      const value = context.uci(name);
      seen.push({ kind: "uci", name, value });
      return value;
    },
    finding: (severity, code, message, place) =>
      void findings.push({ severity, code, message, ...(place === undefined ? {} : { place }) }),
  };
  return { changes: (await module.plan?.(watched)) ?? [], findings, seen };
}

/** One macro looked up is remembered as that one; anything else is a look at all of them, which no other device shares. */
function watchedMacros(macros: MacroTable, seen: Seen[]): MacroTable {
  return new Proxy(macros, {
    get(table, property) {
      if (property === "get" || property === "has") {
        return (name: string) => {
          const found = table.get(name);
          seen.push({ kind: "macro", name, value: found?.value });
          return property === "get" ? found : found !== undefined;
        };
      }
      seen.push({ kind: "macros", value: table });
      const value: unknown = Reflect.get(table, property, table);
      return typeof value === "function" ? value.bind(table) : value;
    },
  });
}

/** A number for each object, the same at every asking. */
function numbering(): (thing: object | undefined) => number {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  return (thing) => {
    if (thing === undefined) return 0;
    const known = numbers.get(thing);
    if (known !== undefined) return known;
    numbers.set(thing, ++last);
    return last;
  };
}
