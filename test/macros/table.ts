import { ProvisionError } from "../../src/errors.ts";
import type { MacroTable, MacroValue } from "../../src/macros.ts";

/** A table of untainted macros; `~name` makes a tainted one, `=name` a literal one. */
export function table(values: Readonly<Record<string, string>>): MacroTable {
  return new Map(
    Object.entries(values).map(([key, value]): [string, MacroValue] => [
      key.replace(/^[~=]/, ""),
      { value, isTainted: key.startsWith("~"), origin: "test", isLiteral: key.startsWith("=") },
    ]),
  );
}

/** The error that `act` throws, which must be one of ours. */
export function failure(act: () => unknown): ProvisionError {
  try {
    act();
  } catch (error) {
    if (error instanceof ProvisionError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
