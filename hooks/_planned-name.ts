import { type MacroTable, optionText, type PlanContext } from "../src/api.ts";

/** What the device will be called once the plan holds: a tree may rename it in the same run, and what it tells others then is the new name. */
export function plannedName(context: PlanContext): string {
  return saidName(context) ?? context.facts.hostname;
}

/** The macros with that name in `{hostname}`, and in `{fqdn}` where there is a domain. */
export function plannedMacros({ macros, ...context }: PlanContext): MacroTable {
  const name = saidName(context);
  const [hostname, fqdn, domain] = ["hostname", "fqdn", "domain"].map((macro) => macros.get(macro));
  if (name === undefined || hostname === undefined) return macros;
  const renamed = new Map(macros).set("hostname", { ...hostname, value: name });
  return fqdn === undefined || domain === undefined
    ? renamed
    : renamed.set("fqdn", { ...fqdn, value: `${name}.${domain.value}` });
}

function saidName(context: Pick<PlanContext, "uci">): string | undefined {
  const system = context.uci("system")?.sections.find(({ type }) => type === "system");
  return optionText(system, "hostname");
}
