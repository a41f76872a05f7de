/** What a hook sees, as a plain object that remembers what the hook did with it. */
import type { HookContext, HookPoint, LedState, Letter, MacroTable, Resource, RunFacts } from "../../src/api.ts";
import { planScene } from "./plan-context.ts";
import { aClock } from "./run-context.ts";

export interface HookSeen {
  readonly context: HookContext;
  readonly set: Record<string, { value: string; isTainted: boolean }>;
  readonly offered: string[];
  readonly letters: Letter[];
  readonly delivered: string[];
  readonly leds: LedState[];
  readonly logged: string[];
}

export function hookContext(
  stage: HookPoint,
  more: {
    readonly macros?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
    readonly run?: RunFacts;
    readonly resources?: readonly Resource[];
    readonly settings?: string;
  } = {},
): HookSeen {
  const { settings, facts, files, signal } = planScene({
    module: "any",
    ...(more.settings === undefined ? {} : { settings: more.settings }),
  }).context;
  const set: HookSeen["set"] = {};
  const offered: string[] = [];
  const letters: Letter[] = [];
  const delivered: string[] = [];
  const leds: LedState[] = [];
  const logged: string[] = [];
  return {
    set,
    offered,
    letters,
    delivered,
    leds,
    logged,
    context: {
      stage,
      settings,
      facts,
      files,
      macros: macroTable(more.macros ?? {}),
      commands: { has: () => false, run: () => Promise.reject(new Error("no commands here")) },
      log: (level, message) => void logged.push(`${level}: ${message}`),
      clock: aClock(),
      resources: more.resources ?? [],
      run: more.run ?? {},
      outbox: async () => ({
        put: (letter) => void letters.push(letter),
        get isEmpty() {
          return letters.length === 0;
        },
        deliver: (uri) => void delivered.push(uri),
      }),
      led: async (state) => void leds.push(state),
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
