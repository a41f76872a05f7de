import type { MacroTable, Module, PlanContext } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import { hostnameIn } from "../../hostname.ts";
import type { Expanded } from "../../macros.ts";
import { type Plan, RESOURCES, toldUnsettled } from "../../plan.ts";
import { readSettings, type Settings } from "../../settings.ts";
import { STATE } from "../../state.ts";
import { lastRecords } from "../../transaction/generations.ts";
import type { Journal } from "../../transaction/journal.ts";
import { candidates, entryName } from "../../tree/resources.ts";
import type { Latch } from "../../trust.ts";
import { parseUri } from "../../uri.ts";
import { imageMacros } from "../fetch/image.ts";
import { inputsOf } from "../fetch/inputs.ts";
import { type Wanted, wantedResources } from "../fetch/wanted.ts";
import type { Download } from "../fetch.ts";

/**
 * Whether the tree, once it is true, would still choose the same files: a plan that ends the first boot (`fd`) or gives the device its
 * hostname may change what its own URIs say. Also what the next run will find the plan to have been made from.
 */
export function settling(
  ctx: RunContext,
  device: Device,
  download: Download,
  modules: readonly Module[],
  planned: PlanContext["uci"],
): { readonly unsettled: string | undefined; readonly inputsAfter: string } {
  const now = download.source.macros;
  const after = macrosAfter(now, planned);
  const changed = new Set([...after].filter(([name, one]) => now.get(name)?.value !== one.value).map(([name]) => name));
  const settings = settingsAfter(device, planned);
  const unsettled =
    (changed.size === 0 ? undefined : firstUnsettled(device, download, modules, after, changed)) ??
    unsettledSetting(device.settings, settings);
  return {
    unsettled,
    // With the old ones the next look is at another question.
    inputsAfter: inputsOf(
      {
        settings: unsettled === undefined ? settings : device.settings,
        facts: device.facts,
        macros: unsettled === undefined ? after : now,
      },
      modules,
      keyNamesAfter(ctx, download),
      ownerAfter(device, download),
    ),
  };
}

/** The last generations are of one tree, each so many seconds after the one before, and it still asks for something else: it goes round in circles. */
const CIRCLE_SECONDS = 900;

/** Passes are counted within a run; a plan that reboots ends it, and so does the next one: the history tells. TREE_UNSETTLED. */
export function refuseCircle({ disk }: Pick<RunContext, "disk">, { unsettled, download }: Plan): void {
  if (unsettled === undefined) return;
  const last = lastRecords(disk);
  if (last === undefined || !areOneTree(last, download) || !areInARow(last)) return;
  throw new ProvisionError(
    "TREE_UNSETTLED",
    `${toldUnsettled(unsettled)} still changes what the tree asks for after ${last.length} generations of it`,
  );
}

/** Without a manifest the digest is of the files that were asked for, and these change from one turn of a circle to the next; somebody who works on a tree makes ever new ones. */
function areOneTree(last: readonly Journal[], { manifest, digest, source }: Plan["download"]): boolean {
  if (last.every(({ tree }) => tree.sha256 === digest)) return true;
  return (
    manifest === undefined &&
    last.every(({ tree }) => tree.uri === source.base.text) &&
    last.some(({ tree }) => tree.sha256 === digest)
  );
}

/** By the time since boot, since clocks jump: each was ordered soon after the one before, or soon after the boot that came between. */
function areInARow(last: readonly Journal[]): boolean {
  return last.slice(0, -1).every((newer, index) => {
    const older = last[index + 1];
    if (older === undefined) return false;
    if (newer.up === undefined || older.up === undefined) return Math.abs(newer.at - older.at) <= CIRCLE_SECONDS;
    return newer.up - (newer.boot === older.boot ? older.up : 0) <= CIRCLE_SECONDS;
  });
}

/** The settings as the plan leaves them: what changes them must not make the next run look at everything again. */
function settingsAfter(device: Device, planned: PlanContext["uci"]): Settings {
  const own = planned("uciprov");
  return own === undefined ? device.settings : readSettings(own).settings;
}

/** A tree may say in UCI what else of it is to be fetched, by whom, and under which macros: only another pass does. */
function unsettledSetting(before: Settings, after: Settings): string | undefined {
  const asks = ({ resources, macros, main: { module } }: Settings) => JSON.stringify([resources, macros, module]);
  return asks(before) === asks(after) ? undefined : RESOURCES;
}

/** What the device will hold, and by whom it will be owned, once the plan is true. */
function keyNamesAfter(ctx: RunContext, { keys, keyChange }: Download): readonly string[] {
  const names = new Set(ctx.disk.list(STATE.keys));
  if (keyChange === undefined) return [...names];
  for (const fingerprint of keys.keys()) if (!keyChange.keys.has(fingerprint)) names.delete(fingerprint);
  return [...names, ...[...keyChange.keys.keys()].filter((fingerprint) => !names.has(fingerprint))];
}

export function ownerAfter(device: Device, { keyChange, proof }: Download): Latch | undefined {
  if (keyChange !== undefined) return { kind: "keys", ...keyChange.owner };
  return proof.latch ?? device.state.latch;
}

function macrosAfter(now: MacroTable, planned: PlanContext["uci"]): MacroTable {
  const after = new Map(now);
  const set = (name: string, value: string): void => {
    const before = after.get(name);
    if (before !== undefined) after.set(name, { ...before, value });
  };
  set("fd", "");
  const hostname = hostnameIn(planned("system"));
  set("hostname", hostname);
  const domain = now.get("domain")?.value;
  if (domain !== undefined) set("fqdn", `${hostname}.${domain}`);
  return after;
}

function firstUnsettled(
  device: Device,
  download: Download,
  modules: readonly Module[],
  after: MacroTable,
  changed: ReadonlySet<string>,
): string | undefined {
  for (const wanted of wantedResources(device.settings, modules)) {
    const next = choices(wanted, after);
    const guilty = next?.flatMap((one) => [...one.used]).find((name) => changed.has(name));
    if (guilty === undefined || next === undefined) continue;
    if (chooses(download, next) !== chosenBefore(device, download, wanted)) return guilty;
  }
  return undefined;
}

function chosenBefore(device: Device, download: Download, wanted: Wanted): string | undefined {
  // An image that runs was chosen, too, though it has not been fetched.
  if (wanted.isImage) return chooses(download, choices(wanted, imageMacros(device, download.source.macros)) ?? []);
  return download.brought.get(wanted.module.name)?.find((resource) => resource.name === wanted.name)?.uri;
}

function choices(wanted: Wanted, macros: MacroTable): readonly Expanded[] | undefined {
  try {
    return candidates(wanted.template, macros);
  } catch {
    return undefined;
  }
}

/** Which of these the tree has. Without a manifest only another pass can tell, unless the file came in this one. */
function chooses(download: Download, next: readonly Expanded[]): string | undefined {
  const base = parseUri(download.source.base.text, "the provisioning URI");
  for (const { text } of next) {
    const uri = parseUri(text, "a resource");
    const name = entryName(uri, base);
    const isHere = name !== undefined && download.manifest !== undefined ? download.manifest.entries.has(name) : true;
    if (isHere) return uri.text;
  }
  return undefined;
}
