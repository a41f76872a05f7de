import { defineModule, type Hook, type HookPoint } from "../src/api.ts";

const hook: Hook = async (context) => {
  if (context.settings.report.uri !== undefined) await (await import("./_report-letter.ts")).report(context);
};

/** Tells `uciprov.report.uri` what runs come to: a letter a run that changed or failed, with `option progress` also one a stage. It decides nothing. */
export default defineModule({
  name: "report",
  isWatching: true,
  hooks: Object.fromEntries(
    (
      [
        "preinit",
        "fetch",
        "validate",
        "preapply",
        "apply",
        "postapply",
        "reboot",
        "done",
        "failed",
      ] satisfies HookPoint[]
    ).map((point) => [point, hook]),
  ),
});
