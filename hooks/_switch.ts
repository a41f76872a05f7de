import { optionFlag, optionText, type PlanContext } from "../src/api.ts";

/**
 * Whether /etc/config/beesip switches this role on, by the section of its type and name. A section of another name, which nobody reads, and a word that is
 * neither on nor off are told: whoever wrote them would take silence for an exchange that is defended.
 */
export function isSwitchedOn(context: PlanContext, role: "pbx" | "security" | "monitoring" | "probe"): boolean {
  const sections = context.uci("beesip")?.sections.filter(({ type }) => type === role) ?? [];
  for (const [index, { name }] of sections.entries()) {
    if (name === role) continue;
    const place = `beesip.${name ?? `@${role}[${index}]`}`;
    tell(context, "warning", place, `is not read: it must be named, \`config ${role} '${role}'\``);
  }
  const section = sections.find(({ name }) => name === role);
  if (optionText(section, "enabled") === undefined) return false;
  const isOn = optionFlag(section, "enabled", false);
  if (isOn === optionFlag(section, "enabled", true)) return isOn;
  tell(context, "error", `beesip.${role}.enabled`, "is neither 1 nor 0");
  return false;
}

function tell(context: PlanContext, severity: "error" | "warning", option: string, wrong: string): void {
  context.finding(severity, "PLAN_INVALID", `${option} ${wrong}`, { file: "/etc/config/beesip", option });
}
