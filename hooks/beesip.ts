import { defineModule } from "../src/api.ts";

/**
 * The core module of the BEESIP paper (§5): where telephony programs are, gives the device /etc/config/beesip with a section for each of their roles, all off. It only fills
 * in what neither the tree nor the device says; so a layer, or a person, switches a role on.
 */
export default defineModule({
  name: "beesip",
  plan: async (context) => (await import("./_beesip-plan.ts")).defaultsFor(context),
});
