import type { Told } from "./letters.ts";

/** How far a device has come, by its questions and what it reports. */
interface Progress {
  readonly steps: Set<Step>;
  readonly files: Set<string>;
  bytes: number;
  /** What it asked for last. */
  last: string;
}

const STEPS = ["name", "manifest", "signature", "files", "confirmed"] as const;
type Step = (typeof STEPS)[number];

/** A request that a device made, a name it asked for, or a letter it wrote. */
export type Seen =
  | { readonly kind: "name"; readonly client: string; readonly name: string }
  | ({ readonly kind: "letter"; readonly client: string } & Told)
  | {
      readonly kind: "file";
      readonly client: string;
      readonly path: string;
      readonly status: number;
      readonly bytes: number;
    };

/** Follows every device, by its address; more than a bench holds are not followed. */
export class Bench {
  readonly #devices = new Map<string, Progress>();

  see(seen: Seen): void {
    const device = this.#devices.get(seen.client) ?? { steps: new Set(), files: new Set(), bytes: 0, last: "" };
    if (this.#devices.size < MOST_DEVICES) this.#devices.set(seen.client, device);
    if (seen.kind === "name") {
      // A new question is a new run.
      device.steps.clear();
      device.files.clear();
      device.bytes = 0;
      device.steps.add("name");
      device.last = "asked for the name";
      return;
    }
    if (seen.kind === "letter") {
      hear(device, seen);
      return;
    }
    const name = seen.path.slice(1);
    device.bytes += seen.bytes;
    device.last = `${name} ${seen.status}`;
    if (name === "MANIFEST" && seen.status === 304) for (const step of STEPS) device.steps.add(step);
    else if (name === "MANIFEST" && device.files.size > 0) device.steps.add("confirmed");
    else if (name === "MANIFEST") device.steps.add("manifest");
    else if (name === "MANIFEST.sig") device.steps.add("signature");
    else if (seen.status === 200) {
      device.files.add(name);
      device.steps.add("files");
    }
  }

  /** A line a device: its bar, and what it did last. */
  lines(width: number): string[] {
    return [...this.#devices].map(([client, { steps, files, bytes, last }]) => {
      const bar = STEPS.map((step) => (steps.has(step) ? "#" : "-")).join("");
      const told = plain(`${client.padEnd(16)} [${bar}] ${files.size} files, ${kilobytes(bytes)}, ${last}`);
      return told.length > width ? `${told.slice(0, Math.max(0, width - 1))}…` : told;
    });
  }
}

const MOST_DEVICES = 64;

/** What a device says of its end counts for more than what its questions let guess. */
function hear(device: Progress, { progress, about }: Told): void {
  device.last = words({ progress, about });
  if (progress === "bootstrap-complete" || progress === "bootstrap-warning")
    for (const step of STEPS) device.steps.add(step);
  else if (progress.endsWith("-error")) device.steps.delete("confirmed");
}

function words({ progress, about }: Told): string {
  return about === undefined ? progress : `${progress}: ${about}`;
}

/** One line for a log, without what a terminal would act on. */
export function lineOf(seen: Seen): string {
  return plain(`${seen.client} ${whatOf(seen)}`);
}

function whatOf(seen: Seen): string {
  if (seen.kind === "name") return `DNS ${seen.name}`;
  return seen.kind === "letter" ? words(seen) : `${seen.status} ${seen.path} ${kilobytes(seen.bytes)}`;
}

function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

function kilobytes(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}
