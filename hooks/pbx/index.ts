import { defineModule } from "../../src/api.ts";
import { GATEWAYS } from "../_gateway-resource.ts";
import { isSwitchedOn } from "../_switch.ts";

/**
 * Makes the device a telephone exchange: Asterisk, Kamailio, or Kamailio before Asterisk, with trunks to gateways and files for the phones,
 * as `config pbx 'pbx'` of the planned /etc/config/beesip says. What it is, and its options: `docs/pbx.md`.
 */
export default defineModule({
  name: "pbx",
  resources: { gateways: GATEWAYS },
  // Loaded where there is an exchange to plan: most devices are none.
  plan: async (context) => (isSwitchedOn(context, "pbx") ? (await import("./plan.ts")).planPbx(context) : []),
});
