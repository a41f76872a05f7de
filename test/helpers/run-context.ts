/** A run's door to a device, as plain objects; what a test does not name does nothing. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Commands, Dns, Http } from "../../src/api.ts";
import type { Device, RunContext } from "../../src/context.ts";
import { NO_FIRMWARE } from "../../src/firmware-record.ts";
import { openDisk } from "../../src/host/disk.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { readSettings, type Settings } from "../../src/settings.ts";
import { makeSection } from "../../src/uci/model.ts";

const noServer = () => Promise.reject(new Error("no name server in this test"));
const NOBODY: Dns = { txt: noServer, secureTxt: noServer };
const NOTHING: Http = {
  get: async () => Promise.reject(new Error("no web in this test")),
  close: async () => undefined,
};
const NO_COMMANDS: Commands = {
  has: () => false,
  run: async () => Promise.reject(new Error("no programs in this test")),
};

/** Time that passes only when somebody sleeps. */
export function aClock(start = Date.UTC(2026, 10, 22)): Clock & { advance(ms: number): void } {
  let passed = 0;
  return {
    now: () => start + passed,
    elapsed: () => passed,
    sinceBoot: () => passed / 1000 + 60,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      passed += ms;
    },
    advance: (ms) => {
      passed += ms;
    },
  };
}

/** A context on an empty scratch root, unless told otherwise. */
export function aRunContext(more: Partial<RunContext> = {}): RunContext {
  return {
    disk: openDisk(mkdtempSync(join(tmpdir(), "uciprov-test-"))),
    stream: () => {
      throw new Error("nothing is streamed in this test");
    },
    commands: NO_COMMANDS,
    follow: async () => Promise.reject(new Error("no programs in this test")),
    processes: openProcesses(),
    dns: NOBODY,
    openHttp: () => NOTHING,
    startWatcher: () => undefined,
    setLed: async () => undefined,
    detach: async () => Promise.reject(new Error("no programs in this test")),
    readFacts: () => FACTS,
    readBuildDate: () => FACTS.built,
    readAddresses: () => ({ ip: undefined, ip6: undefined }),
    isClockProven: () => true,
    clock: aClock(),
    log: () => undefined,
    board: { stageBegins: () => undefined, stageEnds: () => undefined },
    choices: { isForced: false, isDry: false },
    signal: new AbortController().signal,
    ...more,
  };
}

export const FACTS: Device["facts"] = {
  mac: "020000000001",
  hostname: "OpenWrt",
  serial: undefined,
  board: "example,router-one",
  model: "Example Router One",
  target: "mediatek/filogic",
  arch: "aarch64_cortex-a53",
  distro: "OpenWrt",
  release: "24.10.7",
  revision: "r1-test",
  built: undefined,
};

/** A device that has confirmed nothing yet. */
export function aDevice(
  of: { resolver?: readonly string[]; macros?: Readonly<Record<string, string>>; settings?: Settings } = {},
): Device {
  const main = makeSection("uciprov", "main", { resolver: of.resolver ?? [] });
  const macros = Object.entries(of.macros ?? {}).map(
    ([name, value]) => [name, { value, isTainted: false, origin: "test", isLiteral: true }] as const,
  );
  return {
    settings: of.settings ?? readSettings({ name: "uciprov", sections: [main] }).settings,
    facts: FACTS,
    macros: new Map(macros),
    state: {
      confirmed: undefined,
      owned: { uci: {}, files: undefined },
      latch: undefined,
      floor: 0,
      trees: new Map(),
      failed: undefined,
      firmware: NO_FIRMWARE,
    },
    http: NOTHING,
  };
}
