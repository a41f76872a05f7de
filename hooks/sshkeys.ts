import { defineModule } from "../src/api.ts";

/**
 * Who may log in as root, for dropbear and OpenSSH. Our keys stand in a marked block; other people's lines are theirs.
 * The last key of a device is never taken away while no password would let anybody in: then an empty list is refused, and a
 * missing one leaves the keys where they are, so that a slip of the publisher cannot lock everybody out.
 */
export default defineModule({
  name: "sshkeys",
  resources: { authorized_keys: { uri: "{base_uri}/authorized_keys{fd}", size: "small" } },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => (await import("./_sshkeys-plan.ts")).planKeys(context),
});
