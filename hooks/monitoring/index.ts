import { defineModule, optionFlag, type PlanContext } from "../../src/api.ts";

/**
 * Lets a Zabbix server look after the device, as `config monitoring 'monitoring'` of the planned /etc/config/beesip says: the agent's settings with
 * keys for what uciprov knows, and where events go. What it is, and its options: `docs/monitoring.md`.
 */
export default defineModule({
  name: "monitoring",
  // Loaded where there is something to plan, as the exchange is.
  plan: async (context) => (isOn(context, "monitoring") ? (await import("./plan.ts")).planMonitoring(context) : []),
});

function isOn(context: PlanContext, role: string): boolean {
  const section = context.uci("beesip")?.sections.find((one) => one.type === role && one.name === role);
  return optionFlag(section, "enabled", false);
}
