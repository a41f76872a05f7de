import { defineModule } from "../src/api.ts";

/**
 * The firmware. Which image runs is told by the manifest's `# image` line, else by what fwtool put behind the image; on a guess nothing is written. The core
 * fetches the image only if it is listed in the owner's manifest and something else runs, has the device's own check look at it, and ends the run with it.
 */
export default defineModule({
  name: "sysupgrade",
  resources: { image: { uri: "{base_uri}/image{fd}.bin", size: "large", isImage: true } },
  // Loaded when there is something to plan: most runs end before.
  plan: async (context) => {
    const image = context.resource("image");
    return image === undefined ? [] : (await import("./_sysupgrade-plan.ts")).planImage(context, image);
  },
});
