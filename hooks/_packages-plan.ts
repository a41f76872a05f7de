import { type Change, type PlanContext, packages, type Resource } from "../src/api.ts";

export function planPackages(context: PlanContext): readonly Change[] {
  return context.resources.flatMap((resource) => changesIn(context, resource));
}

/** Each fault is told with its line. */
function changesIn(context: PlanContext, resource: Resource): Change[] {
  const lines = (context.text(resource.name) ?? "").split("\n");
  return lines.flatMap((raw, at): Change[] => {
    const text = raw.replace(/#.*/, "").trim();
    if (text === "") return [];
    const [, minus, name] = /^(-?)([a-z0-9][A-Za-z0-9+._-]{0,127})$/.exec(text) ?? [];
    if (name === undefined) {
      const message = `${JSON.stringify(text.slice(0, 80))} is not NAME or -NAME`;
      context.finding("error", "PLAN_INVALID", message, { file: resource.uri, line: at + 1 });
      return [];
    }
    const origin = { ...resource.origin, detail: `line ${at + 1}` };
    return [packages(minus === "-" ? { remove: [name] } : { install: [name] }, origin)];
  });
}
