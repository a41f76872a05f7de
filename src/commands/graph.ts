import { FAILURES, STAGES } from "../stages/table.ts";
import type { Command } from "./command.ts";

/** The stage machine as it is: drawn from the table that the run walks. */
export const graph: Command = async ({ flags, print }) => {
  print(flags.isJson ? JSON.stringify({ stages: STAGES, failures: FAILURES }) : drawGraph());
  return "provisioned";
};

/** The table as text; docs/run.md holds the same lines. */
export function drawGraph(): string {
  const rows = STAGES.flatMap((stage, index) => {
    const hooks = stage.hooks ? `hooks ${stage.hooks}` : "no hooks";
    const next = index === STAGES.length - 1 ? "done" : "│";
    return [
      `${stage.name.padEnd(10)} ${stage.work}`,
      `  ${next === "│" ? "│" : "↓"}        ${hooks}; on failure: ${stage.onFailure}`,
    ];
  });
  const ways = Object.entries(FAILURES).map(([name, meaning]) => `${name.padEnd(10)} ${meaning}`);
  return [...rows, "done", "", "On failure:", ...ways].join("\n");
}
