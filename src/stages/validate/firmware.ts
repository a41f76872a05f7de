import type { Finding } from "../../api.ts";
import type { FirmwareChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { triesOf } from "../../firmware-record.ts";
import type { FirmwarePlan } from "../../plan.ts";
import type { Download } from "../fetch.ts";

interface FirmwarePlanned {
  readonly firmware: FirmwarePlan | undefined;
  readonly findings: readonly Finding[];
}

/** `sysupgrade -T` unpacks nothing, but it reads the whole image, on flash as slow as a device's. */
const DEADLINE = 120_000;

/**
 * Whether the image that a module wants may be written: its digest stands in a manifest that is proven to be the owner's, and the device's own checks take
 * it. Whatever module asked, nothing else gets here.
 */
export async function planFirmware(
  ctx: RunContext,
  { facts, state }: Device,
  download: Download,
  wanted: readonly FirmwareChange[],
): Promise<FirmwarePlanned> {
  const [change, ...others] = wanted;
  if (change === undefined) return { firmware: undefined, findings: [] };
  const refused = (code: Finding["code"], message: string): FirmwarePlanned => ({
    firmware: undefined,
    findings: [{ severity: "error", code, message, place: { file: change.origin.uri ?? change.image } }],
  });
  if (others.length > 0) return refused("PLAN_INVALID", `${wanted.length} images are to be written at once`);
  const listed = [...(download.manifest?.entries.values() ?? [])].some((entry) => entry.sha256 === change.sha256);
  if (!listed || download.proof.by === "lab") {
    return refused("UNTRUSTED", "firmware needs its digest in a manifest that is proven to be the owner's");
  }
  if (change.target !== facts.target)
    return refused("IMAGE_INVALID", `it is for ${change.target}, not ${facts.target}`);
  const isThere = ctx.commands.has("sysupgrade");
  const why = isThere ? await whyNotTaken(ctx, change.image) : undefined;
  if (why !== undefined) return refused("IMAGE_INVALID", `the device's own check refuses the image: ${why}`);
  const { image, size, sha256, target, revision, origin } = change;
  const attempt = triesOf(state.firmware, sha256) + 1;
  return {
    firmware: { image, size, sha256, target, from: facts.revision, revision, attempt, origin },
    findings: isThere ? [] : [{ ...UNCHECKED, place: { file: origin.uri ?? image } }],
  };
}

/** A plan that somebody only looks at, away from the device. */
const UNCHECKED = {
  severity: "note",
  code: "COMMAND_FAILED",
  message: "there is no sysupgrade here: what the device's own check says of the image is open",
} as const;

/**
 * What the device's checks have against the image (openwrt package/base-files: sbin/sysupgrade, usr/libexec/validate_firmware_image). Neither is believed
 * alone: an exit status of 0 does not count where the output says no, and procd's answer counts where it can be read.
 */
async function whyNotTaken(ctx: RunContext, image: string): Promise<string | undefined> {
  const path = ctx.disk.hostPath(image);
  const how = { deadline: DEADLINE, signal: ctx.signal };
  const test = await ctx.commands.run("sysupgrade", ["-T", path], how);
  const printed = `${test.stdout}\n${test.stderr}`;
  if (test.timedOut) return `sysupgrade -T does not end`;
  const no = refusalIn(printed);
  if (test.status !== 0) return `sysupgrade -T ends with ${test.status ?? test.signal}: ${no ?? lastLine(printed)}`;
  if (no !== undefined) return `sysupgrade -T says: ${no}`;
  if (!ctx.commands.has("ubus")) return undefined;
  const asked = await ctx.commands.run(
    "ubus",
    ["call", "system", "validate_firmware_image", JSON.stringify({ path })],
    how,
  );
  return isRefusal(asked.stdout)
    ? `validate_firmware_image says ${asked.stdout.replace(/\s+/g, "").slice(0, 200)}`
    : undefined;
}

/** What the scripts print where they say no (openwrt package/base-files: sbin/sysupgrade, lib/upgrade/fwtool.sh), the reasons before the sentence. */
const REASONS =
  /^(?:Invalid image|Image not valid|Device .* not supported by this image|.*incompatible (?:for sysupgrade|to the new image)|Firmware upgrade is not implemented)/;
const SENTENCES = /^(?:Image check .* failed|Image check failed)/;
/** `$(date) upgrade: ` stands before what goes to the log as well (lib/upgrade/common.sh, v). */
const LOGGED = /^.{0,60}? upgrade: /;

function refusalIn(printed: string): string | undefined {
  const lines = printed.split("\n").map((line) => line.replace(LOGGED, "").trim());
  const no = lines.find((line) => REASONS.test(line)) ?? lines.find((line) => SENTENCES.test(line));
  return no?.slice(0, 200);
}

/** Only a plain no counts: its exit status says little, and an older procd has no such method. */
function isRefusal(answer: string): boolean {
  try {
    const said: unknown = JSON.parse(answer);
    return typeof said === "object" && said !== null && "valid" in said && said.valid === false;
  } catch {
    return false;
  }
}

export function lastLine(printed: string): string {
  const lines = printed.split("\n").filter((line) => line.trim() !== "");
  return (lines.at(-1) ?? "it printed nothing").trim().slice(0, 200);
}
