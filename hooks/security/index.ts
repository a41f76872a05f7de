import { defineModule } from "../../src/api.ts";
import { GATEWAYS } from "../_gateway-resource.ts";
import { isSwitchedOn } from "../_switch.ts";

/**
 * Defends the exchange against floods, guessed passwords and phones gone wild: in Kamailio, in the kernel, and by what the follower
 * `uciprov guard` reads in logs; as `config security 'security'` of the planned /etc/config/beesip says. What it does, and its options: `docs/security.md`.
 */
export default defineModule({
  name: "security",
  // Gateways are never banned.
  resources: { gateways: GATEWAYS },
  plan: async (context) => (isSwitchedOn(context, "security") ? (await import("./plan.ts")).planSecurity(context) : []),
});
