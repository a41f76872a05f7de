import { defineModule } from "../src/api.ts";

/**
 * Shows a run on the LED that `uciprov.main.led` names: slow while a device has not been provisioned yet, fast while files land, as it was before
 * when the run is over. The checks of a provisioned device show nothing.
 */
export default defineModule({
  name: "led",
  hooks: {
    preinit: ({ led, macros }) => led(macros.get("fd")?.value === "-fd" ? "slow" : "before"),
    preapply: ({ led }) => led("fast"),
    reboot: ({ led }) => led("on"),
    done: ({ led }) => led("before"),
    failed: ({ led }) => led("before"),
  },
});
