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
  /** It lies in the folder, but the manifest does not list it, so no device sees it. */
  readonly unlisted?: string;
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
    const unlisted = download && names.find((name) => tree.names.has(name));
    return { ...about, tries: names, ...(unlisted === undefined ? {} : { unlisted }) };
  });
}

function triesOf(expand: () => ReturnType<typeof candidates>): { readonly text: string }[] | ProvisionError {
  try {
    return [...expand()];
  } catch (thrown) {
    return asProvisionError(thrown);
  }
}
