/** Reading sections of /etc/config/beesip by a table: each option once, with its type, default and meaning; docs are compared with the tables. */
import { optionList, optionText, type PlanContext, type UciPackage, type UciSection } from "../src/api.ts";

/** One option of a section; `read` gives the value, or throws a text that says what is wrong with it. */
export interface Option<T> {
  readonly isList: boolean;
  /** As UCI would have it: for docs. */
  readonly initial: string | undefined;
  readonly meaning: string;
  read(given: readonly string[]): T;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<T extends OptionTable> = { readonly [N in keyof T]: T[N] extends Option<infer V> ? V : never };

/** Why a text is not what it must be, or undefined if it is. */
export type Check = (text: string) => string | undefined;

const single = <T>(initial: string | undefined, meaning: string, read: (text: string | undefined) => T): Option<T> => ({
  isList: false,
  initial,
  meaning,
  read: (given) => read(given.length > 0 ? given.join(" ") : initial),
});

/** Text that may be absent. */
export function text(meaning: string, check: Check): Option<string | undefined> {
  return single(undefined, meaning, (given) => (given === undefined ? undefined : checked(given, check)));
}

/** Text that must be there. */
export function needed(meaning: string, check: Check): Option<string> {
  return single(undefined, meaning, (given) => {
    if (given === undefined) throw new WrongOption("is missing");
    return checked(given, check);
  });
}

export function word(initial: string, meaning: string, check: Check): Option<string> {
  return single(initial, meaning, (given) => checked(given ?? initial, check));
}

export function flag(initial: boolean, meaning: string): Option<boolean> {
  return single(initial ? "1" : "0", meaning, (given) => {
    if (given === undefined) return initial;
    if (/^(?:1|on|true|yes|enabled)$/.test(given)) return true;
    if (/^(?:0|off|false|no|disabled)$/.test(given)) return false;
    throw new WrongOption(`${show(given)} is neither 1 nor 0`);
  });
}

export function number<I extends number | undefined>(
  initial: I,
  least: number,
  most: number,
  meaning: string,
): Option<number | I> {
  return single(initial === undefined ? undefined : String(initial), meaning, (given) => {
    if (given === undefined) return initial;
    const value = /^[0-9]{1,10}$/.test(given) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new WrongOption(`${show(given)} is no whole number from ${least} to ${most}`);
  });
}

export function choice<const C extends string>(choices: readonly C[], initial: NoInfer<C>, meaning: string): Option<C> {
  return single(initial, meaning, (given) => {
    const found = choices.find((one) => one === (given ?? initial));
    if (found === undefined) throw new WrongOption(`${show(given ?? "")} is none of ${choices.join(", ")}`);
    return found;
  });
}

export function list(initial: readonly string[], meaning: string, check: Check): Option<readonly string[]> {
  return {
    isList: true,
    initial: initial.length > 0 ? initial.join(" ") : undefined,
    meaning,
    read(given) {
      const wrong = given.flatMap((one) => check(one) ?? []);
      if (wrong.length > 0) throw new WrongOption(firstOf(wrong).join("; "));
      return given.length > 0 ? given : initial;
    },
  };
}

/** A section's values; undefined if one is wrong. Every fault is a finding with its place; an unknown option is a warning. */
export function readOptions<T extends OptionTable>(
  context: PlanContext,
  section: UciSection,
  place: string,
  table: T,
): ValuesOf<T> | undefined {
  const told = (severity: "error" | "warning", option: string, wrong: string) =>
    context.finding(severity, "PLAN_INVALID", `${place}.${option} ${wrong}`, {
      file: "/etc/config/beesip",
      option: `${place}.${option}`,
    });
  let isRight = true;
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    try {
      values[name] = option.read(given(section, name, option));
    } catch (thrown) {
      if (!(thrown instanceof WrongOption)) throw thrown;
      told("error", name, thrown.message);
      isRight = false;
    }
  }
  for (const { name } of section.options) if (!(name in table)) told("warning", name, "is no option this module knows");
  // The table is what gives these values their types; the cast states that once.
  return isRight ? (values as ValuesOf<T>) : undefined;
}

function given(section: UciSection, name: string, option: Option<unknown>): readonly string[] {
  if (option.isList) return optionList(section, name);
  const value = optionText(section, name);
  return value === undefined ? [] : [value];
}

/** Sections of a type with what `uci show` calls them. */
export function placedSections(config: UciPackage, type: string): { section: UciSection; place: string }[] {
  return config.sections
    .filter((section) => section.type === type)
    .map((section, index) => ({ section, place: `beesip.${section.name ?? `@${type}[${index}]`}` }));
}

/** A list that is wrong from end to end shall not fill the log. */
function firstOf(wrong: readonly string[]): readonly string[] {
  return wrong.length > 10 ? [...wrong.slice(0, 10), `and ${wrong.length - 10} more`] : wrong;
}

class WrongOption extends Error {}

function checked(given: string, check: Check): string {
  const wrong = check(given);
  if (wrong !== undefined) throw new WrongOption(wrong);
  return given;
}

/** A value from outside, fit for a message: quoted, controls escaped, bounded. */
export function show(given: string): string {
  return JSON.stringify(given.length > 80 ? `${given.slice(0, 80)}…` : given);
}
