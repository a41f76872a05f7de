import type { Module } from "../../api.ts";
import type { Device } from "../../context.ts";
import { asProvisionError, type ProvisionError } from "../../errors.ts";
import { baseMacros } from "../../stages/base-macros.ts";
import { wantedResources } from "../../stages/fetch/wanted.ts";
import type { Download } from "../../stages/fetch.ts";
import type { Source } from "../../stages/geturi.ts";
import { candidates, entryName } from "../../tree/resources.ts";
import { parseUri, redactUri } from "../../uri.ts";
import type { TreeFolder } from "./tree-folder.ts";

/** One file that the device asks for, and what becomes of it. */
export interface LayerPlan {
  readonly module: string;
  readonly resource: string;
  /** What it tries, best first; names below the base, or whole URIs elsewhere. */
  readonly tries: readonly string[];
  /** Which of them came. */
  readonly found?: { readonly name: string; readonly size: number; readonly sha256: string };
  /** Why none is even asked for: the device does not have what its name is made of. */
  readonly unasked?: ProvisionError;
  /** It lies in the folder, and the device does not take it. */
  readonly untaken?: { readonly name: string; readonly why: "no-manifest" | "unlisted" | "not-needed" };
}

export function layersOf(
  device: Device,
  source: Source,
  modules: readonly Module[],
  tree: TreeFolder,
  download: Download | undefined,
): readonly LayerPlan[] {
  const macros = baseMacros(device, source);
  const base = parseUri(source.base.text, "the provisioning URI");
  const nameOf = (text: string) => entryName(parseUri(text, "a resource"), base) ?? redactUri(text);
  return wantedResources(device.settings, modules).map((wanted): LayerPlan => {
    const about = { module: wanted.module.name, resource: wanted.name };
    const tries = triesOf(() => candidates(wanted.template, macros));
    if (!Array.isArray(tries)) return { ...about, tries: [wanted.template.text], unasked: tries };
    const names = tries.map(({ text }) => nameOf(text));
    const came = download?.brought.get(wanted.module.name)?.find(({ name }) => name === wanted.name);
    if (came)
      return { ...about, tries: names, found: { name: nameOf(came.uri), size: came.size, sha256: came.sha256 } };
    const here = names.find((name) => tree.names.has(name));
    if (here === undefined || download === undefined) return { ...about, tries: names };
    return { ...about, tries: names, untaken: { name: here, why: whyUntaken(download, here) } };
  });
}

/** Without a manifest only firmware is left lying; with one, whatever it does not list, and firmware that runs already. */
function whyUntaken({ manifest }: Download, name: string): "no-manifest" | "unlisted" | "not-needed" {
  if (manifest === undefined) return "no-manifest";
  return manifest.entries.has(name) ? "not-needed" : "unlisted";
}

function triesOf(expand: () => ReturnType<typeof candidates>): { readonly text: string }[] | ProvisionError {
  try {
    return [...expand()];
  } catch (thrown) {
    return asProvisionError(thrown);
  }
}
