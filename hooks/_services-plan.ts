import { type Change, type PlanContext, type Resource, service } from "../src/api.ts";

export function planServiceStates(context: PlanContext): readonly Change[] {
  return [...statesIn(context).values()].map(asChange);
}

interface ServiceState {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly resource: Resource;
  readonly line: number;
}

/** Each fault is told with its line. */
function statesIn(context: PlanContext): Map<string, ServiceState> {
  const states = new Map<string, ServiceState>();
  for (const resource of context.resources) {
    const lines = (context.text(resource.name) ?? "").split("\n");
    for (const [at, raw] of lines.entries()) {
      const text = raw.replace(/#.*/, "").trim();
      if (text === "") continue;
      const line = at + 1;
      const fault = (message: string) =>
        context.finding("error", "PLAN_INVALID", message, { file: resource.uri, line });
      const [, name, state] = /^([A-Za-z0-9_][A-Za-z0-9._+-]{0,63})[ \t]+(enabled|disabled)$/.exec(text) ?? [];
      if (name === undefined) {
        fault(`${JSON.stringify(text.slice(0, 80))} is not NAME enabled or NAME disabled`);
        continue;
      }
      const said = states.get(name);
      const isEnabled = state === "enabled";
      if (said !== undefined && said.isEnabled !== isEnabled) fault(`${name} is said to be both enabled and disabled`);
      states.set(name, { name, isEnabled, resource, line });
    }
  }
  return states;
}

function asChange({ name, isEnabled, resource, line }: ServiceState): Change {
  const origin = { ...resource.origin, detail: `line ${line}` };
  return service(name, isEnabled ? { boot: "enabled", run: "started" } : { boot: "disabled", run: "stopped" }, origin);
}
