import type { Finding } from "../../api.ts";
import type { FileChange, PathChange } from "../../changes.ts";
import type { RunContext } from "../../context.ts";
import type { WantedFile } from "../../ownership.ts";

const LIMIT = 1_048_576;

/**
 * Turns owners and groups by name into numbers, by the device's own /etc/passwd and /etc/group or those that the plan puts there. A name nobody
 * knows is a finding, and no error yet while packages are still to come. Who is not root cannot give files away: then they stay as they come.
 */
export function withOwners(
  ctx: RunContext,
  changes: readonly PathChange[],
  isMoreToCome: boolean,
): { readonly wanted: readonly WantedFile[]; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const known = new Map<string, ReadonlyMap<string, number> | undefined>();
  const look = (file: "/etc/passwd" | "/etc/group", name: string, change: FileChange): number | undefined => {
    if (!known.has(file)) known.set(file, numbersIn(plannedText(ctx, file, changes)));
    const numbers = known.get(file);
    const number = numbers?.get(name);
    if (number === undefined) {
      const what = file === "/etc/group" ? "group" : "user";
      findings.push({
        code: "PLAN_INVALID",
        // A device has these files; where there is none at all, a plan is made on paper.
        severity: isMoreToCome || numbers === undefined ? "note" : "error",
        message: `${change.path} is to belong to the ${what} ${JSON.stringify(name)}, which is not in ${file}`,
        ...(change.origin.uri === undefined ? {} : { place: { file: change.origin.uri } }),
      });
    }
    return number;
  };
  const wanted = changes.map((change): WantedFile => {
    if (change.kind !== "file" || (change.user === undefined && change.group === undefined)) return change;
    const uid = change.user === undefined ? undefined : look("/etc/passwd", change.user, change);
    const gid = change.group === undefined ? undefined : look("/etc/group", change.group, change);
    if (!ctx.processes.isRoot) return change;
    return { ...change, ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
  });
  return { wanted, findings };
}

function plannedText(ctx: RunContext, file: string, changes: readonly PathChange[]): string | undefined {
  const planned = changes.find((change) => change.path === file);
  if (planned?.kind === "file" && planned.content.kind === "bytes") {
    return Buffer.from(planned.content.bytes).toString("utf8");
  }
  return ctx.disk.read(file, LIMIT);
}

/** `name:password:NUMBER:…`, as passwd(5) and group(5) have it; the first of a name counts. */
function numbersIn(text: string | undefined): ReadonlyMap<string, number> | undefined {
  if (text === undefined) return undefined;
  const numbers = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, number] = /^([^:\s][^:]*):[^:]*:([0-9]{1,9})(?::|$)/.exec(line) ?? [];
    if (name !== undefined && number !== undefined && !numbers.has(name)) numbers.set(name, Number(number));
  }
  return numbers;
}
