import type { Finding } from "../../api.ts";
import type { PackagesChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { decideSoftware, type SoftwarePlan } from "../../software.ts";
import { NO_SOFTWARE } from "../../software-record.ts";
import { readImageSet, readInstalled } from "../package-data.ts";

/** So many packages one plan may name. */
const MOST = 256;

/** What the tree wants installed and removed, against the package manager's data base. */
export function planSoftware(
  ctx: RunContext,
  device: Device,
  changes: readonly PackagesChange[],
): { readonly software: SoftwarePlan; readonly findings: readonly Finding[] } {
  const record = device.state.software ?? NO_SOFTWARE;
  const none = { tool: undefined, install: [], remove: [], record: { ...record, pending: [] } };
  if (changes.length === 0 && Object.keys(record.ours).length === 0) return { software: none, findings: [] };
  const finding = (severity: Finding["severity"], code: Finding["code"], message: string) => ({
    software: none,
    findings: [{ severity, code, message }],
  });
  const named = changes.reduce((sum, { install = [], remove = [] }) => sum + install.length + remove.length, 0);
  if (named > MOST) return finding("error", "TOO_LARGE", `the tree names ${named} packages; ${MOST} are allowed`);
  const { tool, set } = readInstalled(ctx);
  if (tool === undefined) {
    return finding(
      "warning",
      "PLAN_INVALID",
      "there is no package manager on this device: packages are left as they are",
    );
  }
  const { plan, findings } = decideSoftware(changes, record, set, readImageSet(ctx));
  return { software: { tool, ...plan }, findings };
}
