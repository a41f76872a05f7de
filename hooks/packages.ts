import { defineModule } from "../src/api.ts";

/** Software packages: `NAME` or `-NAME` a line. Only what differs is installed or removed, by the device's own opkg or apk. */
export default defineModule({
  name: "packages",
  resources: { packages: { uri: "{base_uri}/packages{fd}", size: "small" } },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_packages-plan.ts")).planPackages(context),
});
