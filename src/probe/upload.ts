/** Sends what waits, the oldest first; what was sent is gone from the queue, and what was cut comes again, as the same. */
import type { Disk, Log } from "../api.ts";
import type { Collector } from "./collector.ts";
import { contentOf, dequeue, waiting } from "./queue.ts";
import { noteStatus } from "./values.ts";

/**
 * One pass. Throws what may pass (the collector is away, or does not know us any more): the rest waits then. What the collector refuses for good is told and dropped, since it would
 * stand in the way of all that comes after it.
 */
export async function upload(disk: Disk, collector: Collector, log: Log): Promise<void> {
  for (const item of waiting(disk)) {
    for (const kind of ["wav", "json"] as const) {
      const body = kind === "wav" && !item.hasRecording ? undefined : contentOf(disk, item.name, kind);
      if (body === undefined) continue;
      const path = `/rounds/${item.round}/${item.partner}.${kind}`;
      const answer = await collector.put(path, body, kind === "wav" ? "audio/wav" : "application/json");
      if (answer === "refused") log("warning", `the collector refuses ${path.slice(1)}: it is dropped`);
    }
    dequeue(disk, item);
    noteStatus(disk, { waiting: waiting(disk).length });
  }
}
