import { readFileSync } from "node:fs";
import type { Kind } from "../../src/guard/guard-file.ts";
import { lineCutter } from "../../src/guard/line-cutter.ts";
import { LONGEST_LINE, MARK, type Reading, readLine } from "../../src/guard/log-lines.ts";
import { type FuzzResult, fuzz } from "../damage.ts";

/** Logs as the real programs wrote them, by whom, and whether as the system's log. */
export const LOGS = {
  kamailio: { kind: "kamailio", isSyslog: true, file: "kamailio-5.6-logread.txt" },
  stderr: { kind: "kamailio", isSyslog: true, file: "kamailio-5.6-stderr-logread.txt" },
  asterisk: { kind: "asterisk", isSyslog: false, file: "asterisk-22-security.txt" },
  astlog: { kind: "asterisk", isSyslog: true, file: "asterisk-22-logread.txt" },
  snort3: { kind: "snort3", isSyslog: false, file: "snort3-alert_json.txt" },
  eve: { kind: "eve", isSyslog: false, file: "suricata-7-eve.json" },
} as const;

export const bytesOf = (log: keyof typeof LOGS): Buffer => readFileSync(`fixtures/answers/guard/${LOGS[log].file}`);

/** What lines with the kind's mark are read as, cut into pieces of that many bytes. */
export function readings(kind: Kind, bytes: Buffer, isSyslog: boolean, piece = 65_536): Reading[] {
  const read: Reading[] = [];
  const cutter = lineCutter({
    mark: MARK[kind],
    longest: LONGEST_LINE[kind],
    onLine: (line) => read.push(readLine(kind, line, isSyslog)),
    onPassed: () => undefined,
    onLong: () => read.push("odd"),
  });
  for (let at = 0; at < bytes.length; at += piece) cutter.take(bytes.subarray(at, at + piece));
  return read;
}

/** Each line of each log, damaged, read as the log of each kind: nothing is ever thrown. */
export function fuzzGuardLogs(runs: number, seed: number): FuzzResult {
  const logs = Object.keys(LOGS) as (keyof typeof LOGS)[];
  const seeds = logs.flatMap((log) =>
    bytesOf(log)
      .toString("latin1")
      .split("\n")
      .map((line) => Buffer.from(`${line}\n`, "latin1")),
  );
  const read = (input: Uint8Array): void => {
    for (const { kind, isSyslog } of Object.values(LOGS)) readings(kind, Buffer.from(input), isSyslog);
  };
  return fuzz({ seeds, runs, seed }, read, () => false);
}
