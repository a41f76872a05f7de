import { type Change, defineModule, type PlanContext, type Resource, remove, symlink } from "../src/api.ts";

/**
 * Which services start at boot. It makes and removes the same links in /etc/rc.d that `/etc/init.d/NAME enable` and `disable` do, as
 * changes: so they are in the plan, in the transaction, and go back when the tree no longer says so.
 * (openwrt/openwrt: package/base-files/files/etc/rc.common)
 */
export default defineModule({
  name: "services",
  resources: { services: { uri: "{base_uri}/services{fd}", size: "small" } },
  plan: (context) => [...statesIn(context).values()].flatMap((state) => changesFor(state, context)),
});

interface ServiceState {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly resource: Resource;
  readonly line: number;
}

/** `NAME enabled` or `NAME disabled` a line; each fault is told with its line. */
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
      const [, name, state] = /^([A-Za-z0-9][A-Za-z0-9._+-]{0,63})[ \t]+(enabled|disabled)$/.exec(text) ?? [];
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

const RC = "/etc/rc.d";

function changesFor({ name, isEnabled, resource, line }: ServiceState, context: PlanContext): Change[] {
  const place = { file: resource.uri, line };
  const origin = { ...resource.origin, detail: `line ${line}` };
  const script = context.files.read(`/etc/init.d/${name}`);
  const start = script === undefined ? undefined : orderIn(script, "START");
  if (script === undefined || (isEnabled && start === undefined)) {
    const what =
      script === undefined ? "there is no such service on this device" : "its init script has no START number";
    if (isEnabled) context.finding("warning", "PLAN_INVALID", `${name} cannot be enabled: ${what}`, place);
    if (isEnabled || script === undefined) return [];
  }
  const stop = script === undefined ? undefined : orderIn(script, "STOP");
  const wanted = [start && `S${start}${name}`, stop && `K${stop}${name}`].filter((link) => link !== undefined);
  // Links of an earlier START number as well, and whatever we removed before: it must stay removed.
  const all = [...new Set([...wanted, ...linksOf(name, context)])].sort();
  return all.map((link) =>
    isEnabled && wanted.includes(link)
      ? symlink(`${RC}/${link}`, `../init.d/${name}`, origin)
      : remove(`${RC}/${link}`, origin),
  );
}

/** The number behind `START=` or `STOP=`, as the script has it; the last one counts, as in the shell. */
function orderIn(script: string, variable: "START" | "STOP"): string | undefined {
  const lines = [...script.matchAll(new RegExp(`^${variable}=(["']?)([0-9]{1,3})\\1[ \\t]*(?:[;#].*)?$`, "gm"))];
  return lines.at(-1)?.[2];
}

/** `S50name` and the like, on the device or set by uciprov. */
function linksOf(name: string, { files, owned }: PlanContext): string[] {
  const ours = [...owned].flatMap((path) => (path.startsWith(`${RC}/`) ? [path.slice(RC.length + 1)] : []));
  return [...files.list(RC), ...ours].filter(
    (link) => /^[SK][0-9]{1,3}/.test(link) && link.replace(/^[SK][0-9]{1,3}/, "") === name,
  );
}
