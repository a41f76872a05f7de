/**
 * node overlay-subject.cjs ARCHIVE ROOT: reads an overlay as `validate` does, stages it as `apply` does, flushes it, and prints the milliseconds of each as JSON.
 * The device's own code: bench/overlay.mjs bundles and pairs it.
 */
import { openDisk } from "../src/host/disk.ts";
import { openFileBytes } from "../src/host/file-bytes.ts";
import { openProcesses } from "../src/host/processes.ts";
import { TX } from "../src/transaction/layout.ts";
import type { Action } from "../src/transaction/order.ts";
import { stageSteps } from "../src/transaction/stage.ts";
import { stepsOf } from "../src/transaction/steps.ts";
import { writerFor } from "../src/transaction/writer.ts";
import { copyArchived, readArchive } from "../src/tree/archive.ts";
import { archiveLimits } from "../src/tree/archive-limits.ts";

const [archive = "", root = ""] = process.argv.slice(2);
const chunks = () => openFileBytes(archive, new AbortController().signal);
const limits = archiveLimits({ unpacked: 268_435_456, entries: 20_000 });

void (async () => {
  const disk = openDisk(root);
  const began = performance.now();
  const actions: Action[] = [];
  await readArchive(chunks(), limits, (entry) => {
    if (entry.kind !== "file") return;
    const { path, mode, size, sha256, index } = entry;
    actions.push({
      kind: "write",
      path,
      mode,
      size,
      sha256,
      content: { kind: "archived", archive, index },
    });
  });
  const read = performance.now();
  const steps = stepsOf(disk, actions);
  let folder = "";
  for (const part of TX.stage.slice(1).split("/")) {
    folder += `/${part}`;
    if (disk.stat(folder) === undefined) disk.makeDirectory(folder, 0o700);
  }
  const writer = writerFor(disk, steps.length);
  const planned = performance.now();
  await stageSteps({ disk, processes: openProcesses() }, writer, steps, (_archive, wanted) =>
    copyArchived(chunks(), limits, wanted),
  );
  const staged = performance.now();
  writer.settle();
  const flushed = performance.now();
  console.log(
    JSON.stringify({
      files: steps.length,
      read: read - began,
      planned: planned - read,
      staged: staged - planned,
      flushed: flushed - staged,
    }),
  );
})();
