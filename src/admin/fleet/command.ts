import type { Invocation } from "../../commands/command.ts";
import type { ExitName } from "../../errors.ts";
export async function planFleet(_invocation: Invocation, _folder: string): Promise<ExitName> {
  return "usage";
}
