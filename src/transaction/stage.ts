import { createHash, type Hash, hash } from "node:crypto";
import type { NewFile } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { Processes, TransactionHost } from "./claim.ts";
import { TX } from "./layout.ts";
import type { Action, CopyArchived } from "./order.ts";
import type { Step } from "./steps.ts";
import type { Writer } from "./writer.ts";

/** Puts everything that will land into the stage, with its mode and owner, its digest checked while it is written. */
export async function stageSteps(
  host: TransactionHost,
  writer: Writer,
  steps: readonly Step[],
  copy: CopyArchived,
): Promise<void> {
  const archives = new Map<string, Map<number, StagedFile[]>>();
  for (const step of steps) {
    const { action } = step;
    if (action.kind === "symlink") host.disk.symlink(action.target, stagedPath(step));
    if (action.kind !== "write") continue;
    const staged = new StagedFile(writer, stagedPath(step), action, ownerOf(host.processes, step));
    if (action.content.kind === "bytes") {
      staged.write(action.content.bytes);
      staged.finish();
    } else {
      const { archive, index } = action.content;
      const wanted = archives.get(archive) ?? new Map<number, StagedFile[]>();
      wanted.set(index, [...(wanted.get(index) ?? []), staged]);
      archives.set(archive, wanted);
    }
  }
  for (const [archive, wanted] of archives) await copyFrom(archive, wanted, copy);
}

export function stagedPath(step: Step): string {
  return `${TX.stage}/${step.number}`;
}

/** The replaced file's owner if the action names none, else root's; nothing to say if we may not. */
export function ownerOf(processes: Processes, { action, before }: Step): { uid?: number; gid?: number } {
  if (action.kind !== "write") return {};
  const kept = before?.kind === "file" ? before : { uid: 0, gid: 0 };
  const uid = action.uid ?? (processes.isRoot ? kept.uid : undefined);
  const gid = action.gid ?? (processes.isRoot ? kept.gid : undefined);
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}

async function copyFrom(archive: string, wanted: Map<number, StagedFile[]>, copy: CopyArchived): Promise<void> {
  const all = [...wanted.values()].flat();
  try {
    await copy(archive, new Map([...wanted].map(([index, files]) => [index, inOne(files)])));
    const missing = all.find((file) => !file.isFinished);
    if (missing !== undefined) {
      throw new ProvisionError("ARCHIVE_INVALID", `${archive} no longer holds ${missing.name}`, {
        place: { file: archive },
      });
    }
  } finally {
    for (const file of all) file.abandon();
  }
}

/** Several names for one entry (hard links in the archive) are filled at once. */
function inOne(files: readonly StagedFile[]): NewFile {
  const [only] = files;
  if (only !== undefined && files.length === 1) return only;
  return {
    write: (chunk) => {
      for (const file of files) file.write(chunk);
    },
    finish: () => {
      for (const file of files) file.finish();
    },
    abandon: () => {
      for (const file of files) file.abandon();
    },
  };
}

/** Opened with its first byte, so that an archive of thousands of files needs one descriptor at a time. */
class StagedFile implements NewFile {
  readonly name: string;
  isFinished = false;
  #hash: Hash | undefined;
  #sha256: string | undefined;
  readonly #open: () => NewFile;
  readonly #wanted: Extract<Action, { kind: "write" }>;
  #file: NewFile | undefined;
  #size = 0;

  constructor(
    writer: Writer,
    path: string,
    wanted: Extract<Action, { kind: "write" }>,
    owner: { uid?: number; gid?: number },
  ) {
    this.name = wanted.path;
    this.#wanted = wanted;
    this.#open = () => writer.createNew(path, { mode: wanted.mode, ...owner });
  }

  write(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#wanted.size) throw this.#mismatch();
    if (chunk.length === this.#wanted.size) this.#sha256 = hash("sha256", chunk, "hex");
    else this.#digest().update(chunk);
    this.#file ??= this.#open();
    this.#file.write(chunk);
  }

  finish(): void {
    if (this.#size !== this.#wanted.size) throw this.#mismatch();
    this.#sha256 ??= this.#digest().digest("hex");
    if (this.#sha256 !== this.#wanted.sha256) throw this.#mismatch();
    this.#file ??= this.#open();
    this.#file.finish();
    this.isFinished = true;
  }

  abandon(): void {
    if (!this.isFinished) this.#file?.abandon();
  }

  #digest(): Hash {
    this.#hash ??= createHash("sha256");
    return this.#hash;
  }

  #mismatch(): ProvisionError {
    return new ProvisionError("DIGEST_MISMATCH", `what was to become ${this.name} is not what the plan says`, {
      place: { file: this.name },
    });
  }
}
