import { defineModule } from "../src/api.ts";
import { OWN_CERTIFICATE } from "./_own-certificate.ts";

/**
 * Certificates for the device's programs: authorities it shall believe, and the one it shows of itself with its key. What uciprov itself
 * believes is not a tree's to say: that is `list ca` in the settings.
 */
export default defineModule({
  name: "certs",
  resources: {
    ca: { uri: "{base_uri}/certs/ca{fd}.pem", size: "small" },
    client: OWN_CERTIFICATE,
  },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_certs-plan.ts")).planCertificates(context),
});
