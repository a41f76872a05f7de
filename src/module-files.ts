/** The files that bring further modules onto a device, and whether they may be run. */
import type { Files } from "./api.ts";

/** The package's and other packages' own, then the admin's; a file of the same name in the second stands for the one in the first. */
export const MODULE_FOLDERS = ["/usr/lib/uciprov/modules.d", "/etc/uciprov/modules.d"] as const;

export interface ModuleFile {
  readonly path: string;
  /** What stands between number and ending: the module's name in settings, logs and the plan. */
  readonly name: string;
  readonly kind: "shell" | "script";
}

export interface ModuleFiles {
  /** In the order of their file names, so that the number decides. */
  readonly found: readonly ModuleFile[];
  /** What lies there and is not run, with the reason as the rest of a sentence. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

/** A number, a name, an ending: `50-led.sh`, `70-report.mjs`; the ending of a shell module may be left out. */
const FORM = /^[0-9]{2}-([a-z][a-z0-9-]{0,30})(\.sh|\.mjs|)$/;
/** Far more than a script that people write. */
const SIZE_LIMIT = 262_144;

/**
 * What is in the modules' folders. Only a plain file runs that belongs to the owner of `/` (root, on a device) and that nobody else can
 * write, in folders of which the same is true: whoever can change it acts as uciprov. (Design §5.)
 */
export function findModuleFiles(files: Files): ModuleFiles {
  const found = new Map<string, ModuleFile>();
  const refused: { path: string; reason: string }[] = [];
  for (const folder of MODULE_FOLDERS) {
    for (const fileName of files.list(folder)) {
      const path = `${folder}/${fileName}`;
      const file = moduleNamed(path);
      const reason = file === undefined ? "is not named like 50-name.sh or 50-name.mjs" : whyNotSafe(path, files);
      if (file === undefined || reason !== undefined) refused.push({ path, reason: reason ?? "" });
      else found.set(fileName, file);
    }
  }
  const inOrder = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
  return { found: inOrder, refused };
}

/** The module that a file of this name would be; undefined if no module is named so. */
export function moduleNamed(path: string): ModuleFile | undefined {
  const [, name, ending] = FORM.exec(path.slice(path.lastIndexOf("/") + 1)) ?? [];
  return name === undefined ? undefined : { path, name, kind: ending === ".mjs" ? "script" : "shell" };
}

/** Why a file must not be run, as the rest of a sentence; undefined if it may. */
export function whyNotSafe(path: string, files: Files): string | undefined {
  const stat = files.stat(path);
  if (stat?.kind !== "file") return "is no plain file";
  if (stat.size > SIZE_LIMIT) return `has more than ${SIZE_LIMIT} bytes`;
  const owner = files.stat("/")?.uid ?? 0;
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const part = path.slice(0, end);
    const at = files.stat(part);
    const what = end === path.length ? "" : `lies in ${part}, which `;
    if (at === undefined || at.kind === "symlink") return `${what}is a link`;
    if (at.uid !== owner) return `${what}does not belong to root`;
    if ((at.mode & 0o022) !== 0) return `${what}can be written by others than root`;
  }
  return undefined;
}
