/**
 * One round: all partners are called at once, and what came of it goes into the queue. Killed between any two steps, the next process ends the round where it stands, and never calls
 * anybody twice: a call file is staged, or Asterisk's, and a renaming decides.
 */
import type { Clock, Disk, Log, ProbeConfig } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { asObject, numberOf, textOf } from "../json-fields.ts";
import { makeFolder } from "../ram-folder.ts";
import { sha256 } from "../sha256.ts";
import { unlinkIfThere } from "../transaction/folders.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { PLACES } from "./places.ts";
import { CODECS, isId, isOneOf, type Plan } from "./plan.ts";
import { contentOf, enqueue, isWaiting } from "./queue.ts";
import { type CallResult, type CallState, measure } from "./result.ts";
import {
  callFile,
  callName,
  countsOf,
  endOf,
  forgetAllBut,
  forgetCall,
  isStaged,
  issueCall,
  prepareSpool,
  RING_SECONDS,
  recordingOf,
  stageCall,
} from "./spool.ts";

export interface RoundWorld {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly config: Pick<ProbeConfig, "conceals" | "spoolBytes">;
}

/** What all calls of a round play. */
export interface Sound {
  readonly name: string;
  readonly sha256: string;
  /** Packets that a partner sends of it. */
  readonly packets: number;
  /** Bytes of a recording of it. */
  readonly bytes: number;
}

interface Round {
  readonly id: number;
  /** When it began, in seconds since boot: the clock of the day may step. */
  readonly began: number;
  readonly codec: Plan["codec"];
  readonly sample: Sound;
  readonly partners: readonly string[];
  /** How many of them, from the first on, are recorded. */
  readonly recorded: number;
}

/** After that, what has not been called yet is no part of the same moment any more. */
const TOGETHER_SECONDS = 5;
/** Beyond the sound: a moment before and after it, and a slow machine. */
const SLACK_SECONDS = 20;
/** How often it is looked whether calls have ended, in milliseconds. */
const LOOK = 500;

/** Begins a round: from here on it is known, even if this process is killed. */
export function beginRound({ disk, clock, log, config }: RoundWorld, plan: Plan, sample: Sound, id: number): void {
  const owner = prepareSpool(disk);
  forgetAllBut(disk, new Set());
  const mostRecorded = Math.floor(config.spoolBytes / Math.max(1, sample.bytes));
  if (plan.partners.length > mostRecorded) {
    log(
      "warning",
      `spool_limit_kb has room for ${mostRecorded} recordings of ${plan.partners.length}: the others are counted only`,
    );
  }
  for (const [index, partner] of plan.partners.entries()) {
    const name = callName(id, partner.id);
    stageCall(disk, name, callFile(name, partner, plan.codec, index < mostRecorded), owner);
  }
  const round: Round = {
    id,
    began: clock.sinceBoot(),
    codec: plan.codec,
    sample,
    partners: plan.partners.map((one) => one.id),
    recorded: Math.min(plan.partners.length, mostRecorded),
  };
  makeFolder(disk, PLACES.folder, 0o755);
  replace(disk, PLACES.round, round);
}

/** Ends the round that is open, if one is: calls, waits, gathers. Its results; undefined if none is open. */
export async function finishRound(world: RoundWorld): Promise<readonly CallResult[] | undefined> {
  const { disk, clock, signal } = world;
  const round = openRound(disk);
  if (round === undefined) return undefined;
  if (lastRound(disk) >= round.id) {
    unlinkIfThere(disk, PLACES.round);
    return undefined;
  }
  const calls = round.partners.map((partner, index) => ({
    partner,
    name: callName(round.id, partner),
    isRecorded: index < round.recorded,
  }));
  const interrupted = new Set<string>();
  for (const { name } of calls) {
    if (!isStaged(disk, name)) continue;
    if (clock.sinceBoot() - round.began <= TOGETHER_SECONDS) issueCall(disk, name);
    else interrupted.add(name);
  }
  const seconds = RING_SECONDS + round.sample.packets / 50 + SLACK_SECONDS;
  const isOver = () => clock.sinceBoot() - round.began > seconds;
  const isDone = ({ name, isRecorded }: (typeof calls)[number]) =>
    interrupted.has(name) || isWaiting(disk, name) || isComplete(disk, name, isRecorded);
  while (!calls.every(isDone) && !isOver()) await clock.sleep(LOOK, signal);

  const results = calls.map(({ partner, name }) => {
    // Put there by a process that was killed after it: nothing of the call may be left but that.
    const result = queuedResult(disk, name) ?? gather(world, round, partner, interrupted.has(name));
    forgetCall(disk, name);
    return result;
  });
  replaceFile(disk, PLACES.last, `${PLACES.folder}/.last`, Buffer.from(`${round.id}\n`), { mode: 0o600 });
  unlinkIfThere(disk, PLACES.round);
  return results;
}

/** Ended, and the recording, which Asterisk closes a moment later, complete. */
function isComplete(disk: Disk, name: string, isRecorded: boolean): boolean {
  const end = endOf(disk, name);
  return end === "failed" || (end === "completed" && (!isRecorded || recordingOf(disk, name) !== undefined));
}

/** What `gather` made of a call, if it came so far. The file is our own. */
function queuedResult(disk: Disk, name: string): CallResult | undefined {
  if (!isWaiting(disk, name)) return undefined;
  return JSON.parse(Buffer.from(contentOf(disk, name, "json") ?? []).toString()) as CallResult;
}

/** Its numbers and its recording, put into the queue. */
function gather(
  { disk, config }: RoundWorld,
  { id, codec, sample }: Round,
  partner: string,
  isInterrupted: boolean,
): CallResult {
  const name = callName(id, partner);
  const counted = countsOf(disk, name);
  const recording = recordingOf(disk, name);
  const result: CallResult = {
    version: 1,
    round: id,
    partner,
    state: counted === undefined ? stateOf(endOf(disk, name), isInterrupted) : "measured",
    codec,
    sample: { name: sample.name, sha256: sample.sha256 },
    ...(counted === undefined ? {} : { measured: measure(counted, sample.packets, config) }),
    ...(recording === undefined ? {} : { recording: { sha256: sha256(recording), bytes: recording.length } }),
  };
  enqueue(disk, name, Buffer.from(`${JSON.stringify(result)}\n`), recording);
  return result;
}

function stateOf(end: ReturnType<typeof endOf>, isInterrupted: boolean): CallState {
  if (isInterrupted) return "interrupted";
  if (end === undefined) return "lost";
  return end === "failed" ? "failed" : "uncounted";
}

/** The last round that was ended; 0 if none since boot. */
export function lastRound(disk: Disk): number {
  const text = disk.read(PLACES.last, 64)?.trim() ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

/** What `beginRound` wrote. It is replaced in one go, so a file of another form is another program's: it is taken away. */
function openRound(disk: Disk): Round | undefined {
  const text = disk.read(PLACES.round, 65_536);
  if (text === undefined) return undefined;
  try {
    const from = asObject(JSON.parse(text));
    const sample = asObject(from["sample"]);
    const { codec, partners } = from;
    if (!isOneOf(CODECS, codec) || !Array.isArray(partners)) throw new TypeError("no codec or partners");
    return {
      id: numberOf(from, "id"),
      began: numberOf(from, "began"),
      codec,
      sample: {
        name: textOf(sample, "name"),
        sha256: textOf(sample, "sha256"),
        packets: numberOf(sample, "packets"),
        bytes: numberOf(sample, "bytes"),
      },
      partners: partners.filter(isId),
      recorded: numberOf(from, "recorded"),
    };
  } catch (thrown) {
    if (thrown instanceof ProvisionError) throw thrown;
    unlinkIfThere(disk, PLACES.round);
    return undefined;
  }
}

function replace(disk: Disk, path: string, value: unknown): void {
  replaceFile(disk, path, `${PLACES.folder}/.round`, Buffer.from(`${JSON.stringify(value)}\n`), { mode: 0o600 });
}
