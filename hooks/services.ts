import { defineModule } from "../src/api.ts";

/**
 * Which services start at boot and run: `NAME enabled` or `NAME disabled` a line. The core makes the links, starts and stops, and takes it back
 * when the tree no longer says so.
 */
export default defineModule({
  name: "services",
  resources: { services: { uri: "{base_uri}/services{fd}", size: "small" } },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_services-plan.ts")).planServiceStates(context),
});
