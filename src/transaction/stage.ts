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
  const archives = new Map<string, Wanted>();
  for (const step of steps) {
    const { action } = step;
    if (action.kind === "symlink") host.disk.symlink(action.target, stagedPath(step));
    if (action.kind !== "write") continue;
    const staged = new StagedFile(host.processes, writer, step, action);
    if (action.content.kind === "bytes") {
      try {
        staged.write(action.content.bytes);
        staged.finish();
      } finally {
        staged.abandon();
      }
    } else {
      const { archive, index } = action.content;
      const wanted = archives.get(archive) ?? { files: [], entries: new Map<number, NewFile>() };
      archives.set(archive, wanted);
      wanted.files.push(staged);
      const sharing = wanted.entries.get(index);
      if (sharing instanceof SharedContent) sharing.files.push(staged);
      else wanted.entries.set(index, sharing === undefined ? staged : new SharedContent([sharing, staged]));
    }
  }
  for (const [archive, wanted] of archives) await copyFrom(archive, wanted, copy);
}

/** What is staged from one archive, and by which of its entries. */
interface Wanted {
  readonly files: StagedFile[];
  readonly entries: Map<number, NewFile>;
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

async function copyFrom(archive: string, { files, entries }: Wanted, copy: CopyArchived): Promise<void> {
  try {
    await copy(archive, entries);
    const missing = files.find((file) => !file.isFinished);
    if (missing !== undefined) {
      throw new ProvisionError("ARCHIVE_INVALID", `${archive} no longer holds ${missing.name}`, {
        place: { file: archive },
      });
    }
  } finally {
    for (const file of files) file.abandon();
  }
}

/** Several names for one entry (hard links in the archive) are filled at once. */
class SharedContent implements NewFile {
  readonly files: NewFile[];

  constructor(files: NewFile[]) {
    this.files = files;
  }

  write(chunk: Uint8Array): void {
    for (const file of this.files) file.write(chunk);
  }

  finish(): void {
    for (const file of this.files) file.finish();
  }

  abandon(): void {
    for (const file of this.files) file.abandon();
  }
}

/** Opened with its first byte, so that an archive of thousands of files needs one descriptor at a time, or as many as one entry has names. */
class StagedFile implements NewFile {
  isFinished = false;
  #hash: Hash | undefined;
  #sha256: string | undefined;
  readonly #processes: Processes;
  readonly #writer: Writer;
  readonly #step: Step;
  readonly #wanted: Extract<Action, { kind: "write" }>;
  #file: NewFile | undefined;
  #size = 0;

  constructor(processes: Processes, writer: Writer, step: Step, wanted: Extract<Action, { kind: "write" }>) {
    this.#processes = processes;
    this.#writer = writer;
    this.#step = step;
    this.#wanted = wanted;
  }

  get name(): string {
    return this.#wanted.path;
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

  #open(): NewFile {
    const as = { mode: this.#wanted.mode, ...ownerOf(this.#processes, this.#step) };
    return this.#writer.createNew(stagedPath(this.#step), as);
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
