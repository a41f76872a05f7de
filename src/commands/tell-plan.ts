import { toldLeft } from "../left-part.ts";
import { type Paint, tellFinding } from "../messages.ts";
import { type FilePlan, type FirmwarePlan, isEmptyPlan, type Plan } from "../plan.ts";
import type { ServicePlan } from "../services.ts";
import type { SoftwareStep } from "../software.ts";
import {
  isSecretOption,
  maskedValue,
  type OptionDiff,
  printDiff,
  type UciDiff,
  withoutUriSecrets,
} from "../uci/diff.ts";
import { type DiffPaint, visible } from "../uci/print-diff.ts";
import { redactUri } from "../uri.ts";

/** A plan for people: what becomes of each option and file, and who says so. */
export function tellPlan(plan: Plan, paint: Paint, options: { readonly showsSecrets: boolean }): string {
  const { download } = plan;
  const serial = download.manifest?.serial === undefined ? "" : `, serial ${download.manifest.serial}`;
  const lines = [
    `${paint.strong("tree")} ${redactUri(download.source.base.text)}${serial}`,
    `${paint.strong("named by")} ${download.source.resolver}; ${download.proof.by === "lab" ? paint.warn("believed without proof") : `${paint.strong("accepted")} by ${download.proof.by} (${download.proof.reason})`}${signers(plan)}`,
  ];
  if (download.wait !== undefined) lines.push(`${paint.strong("not yet")} ${paint.warn(download.wait)}`);
  if (plan.firmware !== undefined) lines.push("", ...tellFirmware(plan.firmware, paint));
  for (const one of plan.software.install) lines.push("", tellSoftware("install", one, paint));
  for (const one of plan.packages) {
    lines.push("", `${paint.strong(`/etc/config/${one.name}`)}`);
    lines.push(printDiff(one.diff, diffPaint(paint), { showSecrets: options.showsSecrets }).trimEnd());
    for (const origin of new Set(Object.values(one.origins))) lines.push(`  ${paint.quiet(`from ${origin}`)}`);
  }
  for (const one of plan.files) lines.push("", tellFile(one, paint, options));
  for (const one of plan.services) lines.push("", tellService(one, paint));
  for (const one of plan.software.remove) lines.push("", tellSoftware("remove", one, paint));
  for (const one of plan.drift) {
    lines.push(
      "",
      `${paint.warn("drift")} ${one.path} was changed on the device; ${one.isKept ? "it stays so" : "the tree has its way"}`,
    );
  }
  if (plan.left.length > 0) {
    lines.push("", `${paint.bad("held back")} since the device was cut off with it: ${toldLeft(plan.left)}`);
  }
  for (const one of plan.findings) lines.push("", tellFinding(one, paint));
  if (plan.reboots.length > 0)
    lines.push("", `${paint.warn("reboots")}, and confirms after it: ${plan.reboots.join("; ")}`);
  if (isEmptyPlan(plan)) lines.push("", paint.good("nothing to change"));
  return lines.join("\n");
}

function tellFirmware(firmware: FirmwarePlan, paint: Paint): string[] {
  const { from, revision, target, size, attempt, origin } = firmware;
  return [
    `${paint.strong("firmware")} ${from} → ${revision} (${target}), ${size} bytes, try ${attempt}`,
    `  ${paint.quiet(`from ${origin.uri ?? origin.module}`)}`,
    `  ${paint.warn("written first: the run ends with it, all below comes after the restart, with what the new release makes of it")}`,
  ];
}

export function diffPaint(paint: Paint): DiffPaint {
  return { added: paint.good, removed: paint.bad, changed: paint.warn, quiet: paint.quiet };
}

function signers({ download }: Plan): string {
  return download.proof.signers.length > 0 ? `, key ${download.proof.signers.join(", ")}` : "";
}

function tellSoftware(act: "install" | "remove", { name, because, origin }: SoftwareStep, paint: Paint): string {
  const when = act === "install" ? "before anything else changes" : "after the confirmation";
  const from = origin === undefined ? [] : [`  ${paint.quiet(`from ${origin.uri ?? origin.module}`)}`];
  return [`${paint.strong(`package ${name}`)}: ${act}, because ${because} (${when})`, ...from].join("\n");
}

function tellService({ name, act, because, byProcd, origin }: ServicePlan, paint: Paint): string {
  const by = byProcd === undefined ? "" : ` (procd does it when ${byProcd} changes)`;
  const from = origin === undefined ? [] : [`  ${paint.quiet(`from ${origin.uri ?? origin.module}`)}`];
  return [`${paint.strong(`service ${name}`)}: ${act}, because ${because}${by}`, ...from].join("\n");
}

function tellFile(
  { path, act, origin, mode, owner, size, text }: FilePlan,
  paint: Paint,
  { showsSecrets }: { readonly showsSecrets: boolean },
): string {
  const about = [
    act,
    mode === undefined ? undefined : mode.toString(8).padStart(4, "0"),
    owner,
    size === undefined ? undefined : `${size} bytes`,
  ].filter((part) => part !== undefined);
  const head = `${paint.strong(path)} ${about.join(", ")}`;
  const from = `  ${paint.quiet(`from ${origin.uri ?? origin.module}`)}`;
  const lines = text && (showsSecrets || isForAllToRead(path, mode)) ? lineDiff(text, paint, { showsSecrets }) : [];
  return [head, ...lines, from].join("\n");
}

/** Where the web server hands out telephones' files (docs/pbx.md): open to all on the device, and full of passwords. */
const HANDED_OUT = "/www/prov/";

/** What is kept from others on the device, a group's file too, is not for a terminal's history or the log of a build either. */
export function isForAllToRead(path: string, mode: number | undefined): boolean {
  return ((mode ?? 0) & 0o004) !== 0 && !path.startsWith(HANDED_OUT);
}

const MOST_LINES = 40;

/** The lines between what is the same at the start and at the end. */
export function lineDiff(
  { before, after }: { before: string; after: string },
  paint: Paint,
  { showsSecrets }: { readonly showsSecrets: boolean },
): string[] {
  const shown = (line: string) => visible(showsSecrets ? line : withoutUriSecrets(line));
  const [was, is] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < was.length && start < is.length && was[start] === is[start]) start++;
  let end = 0;
  while (end < was.length - start && end < is.length - start && was.at(-1 - end) === is.at(-1 - end)) end++;
  const removed = was
    .slice(start, was.length - end)
    .filter((line, index, all) => line !== "" || index < all.length - 1);
  const added = is.slice(start, is.length - end).filter((line, index, all) => line !== "" || index < all.length - 1);
  return [
    ...removed.slice(0, MOST_LINES).map((line) => paint.bad(`  - ${shown(line)}`)),
    ...added.slice(0, MOST_LINES).map((line) => paint.good(`  + ${shown(line)}`)),
    ...(removed.length + added.length > 2 * MOST_LINES ? [paint.quiet("  …")] : []),
  ];
}

/** The same for programs. Secret values are left out unless asked for. */
export function planFacts(plan: Plan, options: { readonly showsSecrets: boolean }): Record<string, unknown> {
  const { download } = plan;
  return {
    tree: {
      uri: redactUri(download.source.base.text),
      resolver: download.source.resolver,
      name: download.manifest?.tree,
      serial: download.manifest?.serial,
      digest: download.digest,
      acceptedBy: download.proof.by,
      reason: download.proof.reason,
      signers: download.proof.signers,
      ...(download.wait === undefined ? {} : { wait: download.wait }),
    },
    ...(plan.firmware === undefined ? {} : { firmware: withoutPath(plan.firmware) }),
    ...(plan.reboots.length === 0 ? {} : { reboots: plan.reboots }),
    packages: plan.packages.map((one) => ({
      name: one.name,
      diff: options.showsSecrets ? one.diff : withoutSecrets(one.diff),
      origins: one.origins,
    })),
    files: plan.files.map(({ text: _, ...file }) => file),
    services: plan.services,
    software: { install: plan.software.install, remove: plan.software.remove },
    drift: plan.drift,
    left: plan.left,
    findings: plan.findings,
    changes: plan.actions.length,
  };
}

export function withoutSecrets(diff: UciDiff): unknown {
  return {
    ...diff,
    sections: diff.sections.map((section) => ({
      ...section,
      options: section.options.map((one) =>
        isSecretOption(one.option) ? { option: one.option, secret: true } : masked(one),
      ),
    })),
  };
}

function masked({ option, before, after, items }: OptionDiff): OptionDiff {
  return {
    option,
    ...(before === undefined ? {} : { before: maskedValue(before) }),
    ...(after === undefined ? {} : { after: maskedValue(after) }),
    ...(items && { items: { added: maskedValue(items.added), removed: maskedValue(items.removed) } }),
  };
}

function withoutPath({ image: _, ...firmware }: FirmwarePlan): Omit<FirmwarePlan, "image"> {
  return firmware;
}
