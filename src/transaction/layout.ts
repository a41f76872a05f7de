/**
 * Where the transaction lives. `journal` says in which state it is; `work` belongs to the open one; a confirmed one's
 * undo folder becomes `generations/N`. `recover.sh` has the same names: change both, and raise the journal's version.
 */
const FOLDER = "/lib/uciprov/tx";

export const TX = {
  folder: FOLDER,
  journal: `${FOLDER}/journal`,
  newJournal: `${FOLDER}/journal.new`,
  work: `${FOLDER}/work`,
  stage: `${FOLDER}/work/stage`,
  undo: `${FOLDER}/work/undo`,
  promote: `${FOLDER}/work/promote`,
  generations: `${FOLDER}/generations`,
} as const;

/** The dot-temporary of item `number` beside its target, so that whoever comes after a cut finds and removes it. */
export function temporaryBeside(path: string, number: number): string {
  return `${folderOf(path)}/.uciprov-tx-${number}`.replace("//", "/");
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** Every folder above a path, the highest first, without the root. */
export function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}
