/** An Asterisk, a collector and a clock for rounds without any of them. */
import type { Clock, Disk } from "../../src/api.ts";
import type { Collector } from "../../src/probe/collector.ts";
import { ASTERISK } from "../../src/probe/places.ts";
import type { Partner } from "../../src/probe/plan.ts";
import { makeSample } from "../../src/probe/sample.ts";
import { writeWav } from "../../src/probe/wav.ts";
import { memoryDisk } from "../transaction/memory-disk.ts";

export const RECORDING = writeWav(makeSample().subarray(0, 1600));
const COUNTS = "rxcount=500;txcount=500;rlp=0;rxjitter=0.001;txjitter=0.001;rtt=0.020";

export const partner = (id: string): Partner => ({ id, host: "192.0.2.7", port: 5060, transport: "udp" });

/** A device with Asterisk's spool. */
export function device() {
  const disk = memoryDisk();
  for (const folder of ["/var", "/var/run", "/var/spool", ASTERISK.spool, ASTERISK.outgoing])
    disk.makeDirectory(folder, 0o755);
  return disk;
}

export interface Exchange {
  /** How often each call was made. */
  readonly calls: ReadonlyMap<string, number>;
  /** Makes all calls that are to be made. */
  look(): void;
}

/** Answers every call but those of `silent` partners; writes what Asterisk writes, in its order. */
export function exchange(disk: Disk, silent: ReadonlySet<string> = new Set()): Exchange {
  const calls = new Map<string, number>();
  return {
    calls,
    look() {
      for (const file of disk.list(ASTERISK.outgoing)) {
        const text = disk.read(`${ASTERISK.outgoing}/${file}`) ?? "";
        const name = /^Setvar: PROBE_CALL=(.*)$/m.exec(text)?.[1] ?? "";
        calls.set(name, (calls.get(name) ?? 0) + 1);
        const isAnswered = !silent.has(name.split(".")[1] ?? "");
        disk.unlink(`${ASTERISK.outgoing}/${file}`);
        const end = `${text}\nStartRetry: 1 1 (1)\nStatus: ${isAnswered ? "Completed" : "Failed"}\n`;
        disk.writeNew(`${ASTERISK.done}/${file}`, Buffer.from(end), { mode: 0o600 });
        if (!isAnswered) continue;
        disk.writeNew(`${ASTERISK.recordings}/${name}.rtcp`, Buffer.from(`${COUNTS}\n`), { mode: 0o600 });
        if (!text.includes("PROBE_RECORDS=1")) continue;
        disk.writeNew(`${ASTERISK.recordings}/${name}.wav`, RECORDING, { mode: 0o600 });
      }
    },
  };
}

/** Time passes when somebody sleeps, and then `during` happens. */
export function clockWith(during: () => void): Clock {
  let seconds = 1000;
  return {
    now: () => (1_700_000_000 + seconds) * 1000,
    elapsed: () => seconds * 1000,
    sinceBoot: () => seconds,
    async sleep(ms) {
      seconds += ms / 1000;
      during();
    },
  };
}

export interface Shelf {
  readonly collector: Collector;
  /** Path → what came, in order. */
  readonly came: ReadonlyMap<string, readonly string[]>;
}

/** Keeps what comes; `before` and `after` may throw, as a network does. */
export function shelf(hooks: { before?: () => void; after?: () => void } = {}): Shelf {
  const came = new Map<string, string[]>();
  const nothing = async () => {
    throw new Error("not asked for here");
  };
  return {
    came,
    collector: {
      enrol: nothing,
      plan: nothing,
      sound: nothing,
      async put(path, body) {
        hooks.before?.();
        came.set(path, [...(came.get(path) ?? []), Buffer.from(body).toString("latin1")]);
        hooks.after?.();
        return "taken";
      },
    },
  };
}
