import type { DeviceFacts, Files, Log } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import { clock } from "../../host/clock.ts";
import { readBuildDate, readFacts } from "../../host/facts.ts";
import { openProcesses } from "../../host/processes.ts";
import { isNetworkTaught, type MacroValue } from "../../macros.ts";
import { deviceMacros, preinit } from "../../stages/preinit.ts";
import { STATE } from "../../state.ts";
import { parsePublicKey } from "../../tree/keys.ts";
import { readKeyFile } from "../key-files.ts";
import type { KnownDevice } from "./device-facts.ts";
import { type PaperFile, paperDisk } from "./paper-disk.ts";

/** A run whose device is paper: its files can be read, nothing can be written, run or asked. */
export interface PaperRun {
  readonly ctx: RunContext;
  /** What a run put into the device's RAM. */
  readonly spool: Map<string, PaperFile>;
  /** Public keys that the device holds. */
  readonly keys: number;
}

/** Which device it is, besides who. */
export interface PaperGround {
  /** Its files; undefined: nothing but what a factory-fresh device of nobody's has, which is nothing. */
  readonly root: Files | undefined;
  /** Files of public keys that it holds besides those of its root. */
  readonly keyFiles: readonly string[];
  readonly log: Log;
  readonly signal: AbortSignal;
}

export function openPaperRun(ground: PaperGround): PaperRun {
  const paper = new Map<string, PaperFile>();
  for (const file of ground.keyFiles) {
    const { name, bytes } = readKey(file);
    paper.set(`${STATE.keys}/${name}`, { kind: "file", bytes, mode: 0o644 });
  }
  const disk = paperDisk(paper, ground.root);
  const ctx: RunContext = {
    disk,
    async *stream(path) {
      const bytes = disk.readBytes(path, Number.MAX_SAFE_INTEGER);
      if (bytes !== undefined) yield bytes;
    },
    commands: { has: () => false, run: nowhere },
    follow: nowhere,
    detach: nowhere,
    processes: openProcesses(),
    dns: { txt: nowhere, secureTxt: nowhere },
    openHttp: () => ({ get: nowhere, close: async () => undefined }),
    startWatcher: () => undefined,
    setLed: async () => undefined,
    readFacts: () => readFacts(disk),
    readBuildDate: () => readBuildDate(disk),
    readAddresses: () => ({ ip: undefined, ip6: undefined }),
    isClockProven: () => true,
    clock,
    log: ground.log,
    board: { stageBegins: () => undefined, stageEnds: () => undefined },
    choices: { isForced: true, isDry: true },
    signal: ground.signal,
  };
  return { ctx, spool: paper, keys: disk.list(STATE.keys).length };
}

/** The device as `preinit` makes it, being this one. */
export function paperDevice(run: PaperRun, known: KnownDevice): Device {
  const device = preinit(run.ctx);
  return withKnown(run, device, known, { ...device.facts, ...known.facts });
}

/**
 * The same device, being another one. What it has by itself stays; `domain`, and so `fqdn`, and the admin's own columns come from what is known.
 */
export function withKnown({ ctx }: PaperRun, device: Device, known: KnownDevice, facts: DeviceFacts): Device {
  const readAddresses = () => ({ ip: known.macros["ip"], ip6: known.macros["ip6"] });
  const table = new Map<string, MacroValue>(
    deviceMacros({ disk: ctx.disk, readAddresses }, device.settings, facts, device.state),
  );
  const add = (name: string, value: string) => {
    if (table.has(name)) return;
    const isTainted = isNetworkTaught(name);
    table.set(name, { value, isTainted, origin: "what is known of it", ...(isTainted ? { isLiteral: true } : {}) });
  };
  for (const [name, value] of Object.entries(known.macros)) add(name, value);
  const domain = table.get("domain")?.value;
  if (domain !== undefined) add("fqdn", `${facts.hostname}.${domain}`);
  return { ...device, facts, macros: table };
}

function readKey(file: string): { readonly name: string; readonly bytes: Uint8Array } {
  return readKeyFile(file, "public", (text) => ({ name: parsePublicKey(text).fingerprint, bytes: Buffer.from(text) }));
}

async function nowhere(): Promise<never> {
  throw new ProvisionError("COMMAND_FAILED", "on paper there is no network and no program");
}
