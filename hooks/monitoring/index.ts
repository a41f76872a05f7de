import { defineModule } from "../../src/api.ts";
import { OWN_CERTIFICATE } from "../_own-certificate.ts";
import { isSwitchedOn } from "../_switch.ts";

/**
 * Lets others see how the device and its network are, as sections of the planned /etc/config/beesip say. `monitoring`: a Zabbix server, by the agent's settings with
 * keys for what uciprov knows, and where events go (`docs/monitoring.md`). `probe`: calls between devices, that tell how good speech comes through (`docs/probe.md`).
 */
export default defineModule({
  name: "monitoring",
  resources: { client: OWN_CERTIFICATE },
  // Loaded where there is something to plan, as the exchange is.
  plan: async (context) => [
    ...(isSwitchedOn(context, "monitoring") ? (await import("./plan.ts")).planMonitoring(context) : []),
    ...(isSwitchedOn(context, "probe") ? (await import("./probe.ts")).planProbe(context) : []),
  ],
});
