/** What a hook sees, as a plain object that remembers what the hook did with it. */
import type { HookContext, HookPoint, MacroTable } from "../../src/api.ts";
import { planScene } from "./plan-context.ts";

export interface HookSeen {
  readonly context: HookContext;
  readonly set: Record<string, { value: string; isTainted: boolean }>;
  readonly offered: string[];
}

export function hookContext(
  stage: HookPoint,
  more: { readonly macros?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): HookSeen {
  const { settings, facts, files, signal } = planScene({ module: "any" }).context;
  const set: HookSeen["set"] = {};
  const offered: string[] = [];
  return {
    set,
    offered,
    context: {
      stage,
      settings,
      facts,
      files,
      macros: macroTable(more.macros ?? {}),
      commands: { has: () => false, run: () => Promise.reject(new Error("no commands here")) },
      log: () => undefined,
      signal: more.signal ?? signal,
      setMacro(name, value, options) {
        set[name] = { value, isTainted: options?.isTainted ?? true };
      },
      offerUri: (uri) => void offered.push(uri),
    },
  };
}

export function macroTable(values: Readonly<Record<string, string>>): MacroTable {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, isTainted: false, origin: "test" }]));
}
