/** What a collector keeps, in a folder: who the probes are, and each round's recordings and results as they came. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isHost, isId, isLabel, isWhole } from "../../src/probe/plan.ts";
import type { CallResult } from "../../src/probe/result.ts";

export interface KnownProbe {
  readonly id: string;
  readonly label: string;
  readonly host: string;
  readonly port: number;
}

export interface Kept {
  /** Who called, and who was called: sound came from `result.partner` to `probe`. */
  readonly probe: string;
  readonly result: CallResult;
  /** Path of the recording, if it came. */
  readonly recording: string | undefined;
}

const NAME = /^([0-9]{10,16})\.([a-z0-9][a-z0-9-]{0,31})\.(wav|json)$/;

export function openStore(folder: string) {
  mkdirSync(join(folder, "rounds"), { recursive: true });
  const file = join(folder, "probes.json");
  const put = (path: string, bytes: string | Uint8Array): void => {
    writeFileSync(`${path}.new`, bytes);
    renameSync(`${path}.new`, path);
  };
  const probes = (): readonly KnownProbe[] => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : []);
  return {
    probes,
    enrol(probe: KnownProbe): void {
      const others = probes().filter(({ id }) => id !== probe.id);
      put(file, JSON.stringify([...others, probe].sort((a, b) => (a.id < b.id ? -1 : 1))));
    },
    /** `conflict`: something else came under this name before. */
    keep(probe: string, name: string, bytes: Uint8Array): "new" | "same" | "conflict" {
      if (!isId(probe) || !NAME.test(name)) throw new Error("unchecked name");
      const path = join(folder, "rounds", probe, name);
      if (existsSync(path)) return Buffer.compare(readFileSync(path), bytes) === 0 ? "same" : "conflict";
      mkdirSync(join(folder, "rounds", probe), { recursive: true });
      put(path, bytes);
      return "new";
    },
    /** Every result, the oldest first. */
    results(): readonly Kept[] {
      return readdirSync(join(folder, "rounds")).flatMap((probe) => {
        const own = join(folder, "rounds", probe);
        return readdirSync(own)
          .filter((name) => name.endsWith(".json"))
          .sort()
          .map((name): Kept => {
            const recording = join(own, name.replace(/json$/, "wav"));
            const result = JSON.parse(readFileSync(join(own, name), "utf8")) as CallResult;
            return { probe, result, recording: existsSync(recording) ? recording : undefined };
          });
      });
    },
  };
}

export type Store = ReturnType<typeof openStore>;

/** What a probe says of itself, and from where; undefined if it says it wrongly. */
export function parseProbe(text: string, id: string, host: string): KnownProbe | undefined {
  const { name, port } = fieldsOf(text);
  if (!isId(id) || !isHost(host) || !isLabel(name) || !isWhole(port, 1, 65_535)) return undefined;
  return { id, label: name, host, port };
}

/** Whether a text is a result for this place. Numbers that a page shows are numbers. */
export function isResult(text: string, round: string, partner: string): boolean {
  const { version, round: said, partner: who, state, measured = {} } = fieldsOf(text);
  const numbers = Object.entries(measured ?? {}).filter(([key]) => ["mos", "loss", "jitter", "rtt"].includes(key));
  return (
    version === 1 &&
    said === Number(round) &&
    who === partner &&
    ["measured", "uncounted", "failed", "lost", "interrupted"].includes(String(state)) &&
    numbers.every(([, value]) => typeof value === "number" && Number.isFinite(value))
  );
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  } catch {
    return {};
  }
}
