import { defineModule } from "../src/api.ts";

/**
 * Files as they are to lie on the device, in a tar archive. `.wh.NAME` deletes NAME. A file of /etc/config is taken as what it is, a
 * UCI package that replaces the device's, so that it is merged, protected, told and reloaded like all other UCI.
 */
export default defineModule({
  name: "overlay",
  resources: { overlay: { uri: "{base_uri}/overlay{fd}.tar.gz", size: "large" } },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_overlay-plan.ts")).planOverlays(context),
});
