import { defineModule } from "../src/api.ts";

/** UCI exports, from what holds for all devices to what holds for one; the later layer wins. */
export default defineModule({
  name: "uci",
  resources: {
    default: { uri: "{base_uri}/default{fd}.uci", size: "small" },
    board: { uri: "{base_uri}/{board}{fd}.uci", size: "small" },
    hostname: { uri: "{base_uri}/{hostname}{fd}.uci", size: "small" },
    mac: { uri: "{base_uri}/{mac}{fd}.uci", size: "small" },
  },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_uci-plan.ts")).planLayers(context),
});
