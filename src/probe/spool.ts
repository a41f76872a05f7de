/** The probe's side of Asterisk's spool: call files that appear in one go, the sound, who may call, and what was recorded. */
import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { unlinkIfThere } from "../transaction/folders.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { ASTERISK } from "./places.ts";
import { isHost, isId, type Partner, type Plan } from "./plan.ts";
import { type Counted, parseCounted } from "./rtcp.ts";
import { bytesFor, readWav } from "./wav.ts";

/** Seconds that a partner may take to answer. */
export const RING_SECONDS = 15;
/** Longest recording: the sound and what surrounds it. */
const LONGEST = { seconds: 75 } as const;

/** A call's name in all its files: `ROUND.PARTNER`. */
export function callName(round: number, partner: string): string {
  if (!Number.isSafeInteger(round) || round < 0 || !isId(partner)) {
    throw new ProvisionError("INTERNAL", `${round}.${partner} is no name of a call`);
  }
  return `${String(round).padStart(10, "0")}.${partner}`;
}

/** Whoever Asterisk runs as: its spool is its own. */
type Owner = { readonly uid: number; readonly gid: number };

/** Makes our folders in Asterisk's spool. NOT_READY while Asterisk has none. */
export function prepareSpool(disk: Disk): Owner {
  const spool = disk.stat(ASTERISK.outgoing);
  if (spool === undefined) {
    throw new ProvisionError(
      "NOT_READY",
      `Asterisk has no ${ASTERISK.outgoing}: it does not run, or without pbx_spool`,
    );
  }
  const owner = { uid: spool.uid, gid: spool.gid };
  for (const [folder, mode] of [
    [ASTERISK.ours, 0o755],
    [ASTERISK.partners, 0o755],
    [ASTERISK.staged, 0o700],
    [ASTERISK.recordings, 0o770],
    [ASTERISK.done, 0o770],
  ] as const) {
    if (disk.stat(folder) !== undefined) continue;
    disk.makeDirectory(folder, mode);
    if (folder === ASTERISK.recordings || folder === ASTERISK.done) disk.setOwner(folder, owner.uid, owner.gid);
  }
  return owner;
}

/** The sound, for both those who call and those who are called; written only if it is another one. */
export function placeSample(disk: Disk, bytes: Uint8Array): void {
  const there = disk.readBytes(ASTERISK.sample, bytesFor(LONGEST));
  if (there !== undefined && Buffer.compare(there, bytes) === 0) return;
  replaceFile(disk, ASTERISK.sample, `${ASTERISK.ours}/.sample`, bytes, { mode: 0o644 });
}

/** Lets these addresses, and no others, call. */
export function placePartners(disk: Disk, addresses: ReadonlySet<string>): void {
  for (const name of disk.list(ASTERISK.partners)) {
    if (!addresses.has(name)) unlinkIfThere(disk, `${ASTERISK.partners}/${name}`);
  }
  for (const address of addresses) {
    const path = `${ASTERISK.partners}/${address}`;
    if (isHost(address) && disk.stat(path) === undefined) disk.writeNew(path, new Uint8Array(0), { mode: 0o644 });
  }
}

/**
 * A call file. `;` begins a comment there, too (asterisk/asterisk: pbx/pbx_spool.c, apply_outgoing); what stands in it was checked by `parsePlan`, and is checked once more, since a line
 * more in it could start any program.
 */
export function callFile(name: string, partner: Partner, codec: Plan["codec"], records: boolean): string {
  const { host, port, transport } = partner;
  if (!isHost(host) || !/^[0-9a-z.-]{1,64}$/.test(name) || !Number.isInteger(port)) {
    throw new ProvisionError("INTERNAL", "a call file was asked for with unchecked text");
  }
  const uri = `sip:probe@${host.includes(":") ? `[${host}]` : host}:${port}`;
  return [
    `Channel: PJSIP/probe-${codec}/${uri}${transport === "udp" ? "" : `\\;transport=${transport}`}`,
    "Context: probe-out",
    "Extension: s",
    "Priority: 1",
    "MaxRetries: 0",
    `WaitTime: ${RING_SECONDS}`,
    "Archive: yes",
    `Setvar: PROBE_CALL=${name}`,
    `Setvar: PROBE_RECORDS=${records ? 1 : 0}`,
    "",
  ].join("\n");
}

export function stageCall(disk: Disk, name: string, text: string, owner: Owner): void {
  const path = `${ASTERISK.staged}/${name}.call`;
  unlinkIfThere(disk, path);
  disk.writeNew(path, Buffer.from(text), { mode: 0o600, ...owner });
}

export function isStaged(disk: Disk, name: string): boolean {
  return disk.stat(`${ASTERISK.staged}/${name}.call`) !== undefined;
}

/** From now on it is called: once, since a file is here or there. */
export function issueCall(disk: Disk, name: string): void {
  disk.rename(`${ASTERISK.staged}/${name}.call`, `${ASTERISK.outgoing}/${name}.call`);
}

/** What Asterisk says of a call; undefined: nothing yet. */
export function endOf(disk: Disk, name: string): "completed" | "failed" | undefined {
  const text = disk.read(`${ASTERISK.done}/${name}.call`, 8192);
  const status = text === undefined ? undefined : /^Status: ([A-Za-z]+)$/m.exec(text)?.[1];
  if (status === undefined) return undefined;
  return status === "Completed" ? "completed" : "failed";
}

export function countsOf(disk: Disk, name: string): Counted | undefined {
  const path = `${ASTERISK.recordings}/${name}.rtcp`;
  if (disk.stat(path)?.kind !== "file") return undefined;
  return parseCounted(disk.read(path, 4096)?.split("\n", 1)[0] ?? "");
}

/** The recording, if it is there and its writer has finished it. */
export function recordingOf(disk: Disk, name: string): Uint8Array | undefined {
  const path = `${ASTERISK.recordings}/${name}.wav`;
  const found = disk.stat(path);
  // The folder is Asterisk's: a link in it could lead anywhere.
  if (found?.kind !== "file" || found.size > bytesFor(LONGEST)) return undefined;
  const bytes = disk.readBytes(path, bytesFor(LONGEST));
  return bytes !== undefined && "samples" in readWav(bytes, LONGEST) ? bytes : undefined;
}

/** Takes all files of a call away: from where it would still be called, too. */
export function forgetCall(disk: Disk, name: string): void {
  for (const path of [
    `${ASTERISK.staged}/${name}.call`,
    `${ASTERISK.outgoing}/${name}.call`,
    `${ASTERISK.recordings}/${name}.wav`,
    `${ASTERISK.recordings}/${name}.rtcp`,
    `${ASTERISK.done}/${name}.call`,
  ]) {
    unlinkIfThere(disk, path);
  }
}

/** What was left over by rounds that nobody knows of any more. */
export function forgetAllBut(disk: Disk, names: ReadonlySet<string>): void {
  for (const folder of [ASTERISK.staged, ASTERISK.recordings, ASTERISK.done, ASTERISK.outgoing]) {
    for (const file of disk.list(folder)) {
      const name = /^([0-9]{10,}\.[a-z0-9][a-z0-9-]{0,31})\.(?:call|wav|rtcp)$/.exec(file)?.[1];
      if (name !== undefined && !names.has(name)) unlinkIfThere(disk, `${folder}/${file}`);
    }
  }
}
