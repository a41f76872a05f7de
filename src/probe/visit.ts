/** What a probe gets from its collector before a round: its own key once, the plan, the sound; and what follows from these on the device. */
import { isIP } from "node:net";
import type { Disk, Http, Log, ProbeConfig } from "../api.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { makeFolder } from "../ram-folder.ts";
import type { Settings } from "../settings.ts";
import { sha256 } from "../sha256.ts";
import { unlinkIfThere } from "../transaction/folders.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { type Collector, collectorSettings, openCollector, SOUND } from "./collector.ts";
import { fetchIdentity, hasIdentity } from "./identity.ts";
import { leased } from "./lease.ts";
import { PLACES } from "./places.ts";
import { BUILTIN, type Partner, PLAN_BYTES, type Plan, parsePlan } from "./plan.ts";
import { packetsOf } from "./result.ts";
import type { Sound } from "./round.ts";
import { makeSample } from "./sample.ts";
import { placePartners, placeSample, prepareSpool } from "./spool.ts";
import { bytesFor, FRAME, RATE, readWav, writeWav } from "./wav.ts";

export interface VisitWorld {
  readonly disk: Disk;
  readonly log: Log;
  readonly config: ProbeConfig;
  readonly settings: Settings;
  readonly openHttp: (settings: Settings) => Http;
  /** Addresses of a host; none if it has none. */
  readonly lookUp: (host: string) => Promise<readonly string[]>;
}

/** Does something with the collector, and closes what was opened for it. */
export async function withCollector<T>(
  { disk, config, settings, openHttp }: VisitWorld,
  signal: AbortSignal,
  act: (collector: Collector) => Promise<T>,
): Promise<T> {
  if (!hasIdentity(disk, config)) {
    const http = openHttp(collectorSettings(settings, config, false));
    try {
      await fetchIdentity(disk, http, config, signal);
    } finally {
      await http.close();
    }
  }
  const server = config.server ?? leased(disk, "server", config.hosts)?.text;
  if (server === undefined)
    throw new ProvisionError("NOT_READY", "neither beesip.probe.server nor DHCP names a collector");
  const http = openHttp(collectorSettings(settings, config, true));
  try {
    return await act(openCollector(http, server, config, signal));
  } finally {
    await http.close();
  }
}

/** Asks for the plan, tells the collector of us if it knows us not, and keeps what is good. A bad plan is told, fault by fault, and changes nothing. */
export async function learnPlan({ disk, log }: VisitWorld, collector: Collector): Promise<void> {
  let told = await collector.plan();
  if (told === undefined) {
    await collector.enrol();
    told = await collector.plan();
  }
  if (told === undefined)
    throw new ProvisionError("HTTP_UNAVAILABLE", "the collector took this probe and has no plan for it");
  const parsed = parsePlan(told.text, told.uri);
  if ("faults" in parsed) {
    for (const { message } of parsed.faults) log("warning", `the collector's plan: ${message}`);
    throw new ProvisionError("PLAN_INVALID", "the collector's plan is not used: the last good one is", {
      findings: parsed.faults,
    });
  }
  makeFolder(disk, PLACES.folder, 0o755);
  if (disk.read(PLACES.plan, PLAN_BYTES) !== told.text) {
    replaceFile(disk, PLACES.plan, `${PLACES.folder}/.plan`, Buffer.from(told.text), { mode: 0o600 });
  }
}

/** The last good plan. */
export function keptPlan(disk: Disk): Plan | undefined {
  const text = disk.read(PLACES.plan, PLAN_BYTES);
  const parsed = text === undefined ? undefined : parsePlan(text, PLACES.plan);
  return parsed !== undefined && "plan" in parsed ? parsed.plan : undefined;
}

/** Makes the device ready for a plan's calls, ours and our partners': the sound lies there, and who may call is known. */
export async function prepare(world: VisitWorld, plan: Plan, collector: Collector | undefined): Promise<Sound> {
  const { disk, config } = world;
  prepareSpool(disk);
  const bytes = await soundOf(world, plan, collector);
  const packets = packetsOf(soundIn(bytes, config.sample ?? plan.sample).length);
  placeSample(disk, bytes);
  placePartners(disk, await addressesOf(world, plan.partners));
  const name = config.sample === undefined ? plan.sample : "own";
  return { name, sha256: sha256(bytes), packets, bytes: bytes.length };
}

/** One's own, the one that every probe can make, or the collector's, kept under its name. */
async function soundOf(
  { disk, config }: VisitWorld,
  { sample }: Plan,
  collector: Collector | undefined,
): Promise<Uint8Array> {
  if (config.sample !== undefined) {
    const own = disk.readBytes(config.sample, bytesFor(SOUND));
    if (own !== undefined) return own;
    throw new ProvisionError("PLAN_INVALID", `${config.sample} is not there`, {
      place: { option: "beesip.probe.sample" },
    });
  }
  if (sample === BUILTIN) return writeWav(makeSample());
  const path = `${PLACES.sounds}/${sample}.wav`;
  const kept = disk.readBytes(path, bytesFor(SOUND));
  if (kept !== undefined) return kept;
  if (collector === undefined) throw new ProvisionError("NOT_READY", `the sound ${sample} was not fetched yet`);
  const bytes = await collector.sound(sample);
  soundIn(bytes, sample);
  makeFolder(disk, PLACES.sounds, 0o700);
  for (const other of disk.list(PLACES.sounds)) unlinkIfThere(disk, `${PLACES.sounds}/${other}`);
  replaceFile(disk, path, `${PLACES.sounds}/.new`, bytes, { mode: 0o600 });
  return bytes;
}

/** A file's samples, if it is a sound to call with: silence in it would look like losses in every recording of it. */
function soundIn(bytes: Uint8Array, name: string): Int16Array {
  const wav = readWav(bytes, SOUND);
  const fault = "fault" in wav ? wav.fault : faultOfSound(wav.samples);
  if ("samples" in wav && fault === undefined) return wav.samples;
  throw new ProvisionError("PLAN_INVALID", `the sound ${name} ${fault}`);
}

function faultOfSound(samples: Int16Array): string | undefined {
  if (samples.length < 2 * RATE) return "is shorter than 2 s";
  let silent = 0;
  for (const sample of samples) {
    silent = sample === 0 ? silent + 1 : 0;
    if (silent >= FRAME / 2) return "is digitally silent for 10 ms or more";
  }
  return undefined;
}

/** What is not found now may be found next time: such a partner cannot call us until then. */
async function addressesOf({ lookUp, log }: VisitWorld, partners: readonly Partner[]): Promise<ReadonlySet<string>> {
  const all = await Promise.all(
    partners.map(async ({ host }) => {
      if (isIP(host) !== 0) return [host];
      try {
        return await lookUp(host);
      } catch (thrown) {
        log("warning", `looking up ${host}: ${asProvisionError(thrown).message}`);
        return [];
      }
    }),
  );
  return new Set(
    all
      .flat()
      .slice(0, 500)
      .map((address) => address.toLowerCase()),
  );
}
