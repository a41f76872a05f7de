import { defineModule, optionFlag, type PlanContext } from "../../src/api.ts";
import { GATEWAYS } from "../_gateway-resource.ts";

/**
 * Makes the device a telephone exchange: Asterisk, Kamailio, or Kamailio before Asterisk, with trunks to gateways and files for the phones,
 * as `config pbx 'pbx'` of the planned /etc/config/beesip says. What it is, and its options: `docs/pbx.md`.
 */
export default defineModule({
  name: "pbx",
  resources: { gateways: GATEWAYS },
  // Loaded where there is an exchange to plan: most devices are none.
  plan: async (context) => (isOn(context) ? (await import("./plan.ts")).planPbx(context) : []),
});

function isOn(context: PlanContext): boolean {
  const section = context.uci("beesip")?.sections.find((one) => one.type === "pbx" && one.name === "pbx");
  return optionFlag(section, "enabled", false);
}
