/** Follows the logs, and lets the kernel shut out whom they accuse: the loop that holds the pieces together. */
import { openBook } from "./book.ts";
import { type Decision, decide } from "./decide.ts";
import { type Nft, openFirewall } from "./firewall.ts";
import type { Guard, Source } from "./guard-file.ts";
import { type Incident, readIncidents } from "./incident.ts";
import { type Logs, openInputs } from "./inputs.ts";
import type { Sighting } from "./log-lines.ts";
import type { Saved } from "./saved.ts";
import type { Surroundings } from "./spared.ts";
import { countIncident, noCounts, type Status } from "./status.ts";
import { openTelling, type Receivers } from "./telling.ts";

/** What a guard needs of the device. */
export interface World extends Logs, Receivers {
  readonly nft: Nft;
  newId(): string;
  surroundings(): Surroundings;
  readSaved(): Saved | undefined;
  save(saved: Omit<Saved, "boot">): void;
  writeStatus(status: Status): void;
  appendIncident(incident: Incident): void;
  /** Lines that were appended before. */
  readIncidents(): string;
}

/** Milliseconds between two looks at the files; in which what the log tells is gathered. */
const LOOK = 500;
const GATHER = 100;
/** Seconds between two of each. */
const EVERY = { status: 3, idleStatus: 60, save: 5, standing: 60, doubt: 10 } as const;
/** Sightings that wait for the next turn. */
const MOST_QUEUED = 8192;
/** Bans that are learnt from the kernel at the start. */
const MOST_LEARNT = 2048;

/**
 * Until the signal fires: asked to end, or to begin anew with another guard.json. What the kernel holds is never taken away; what is remembered besides
 * goes into RAM, so that a guard that was killed goes on where it was.
 */
export async function follow(guard: Guard, world: World): Promise<void> {
  const { clock, log, signal, newId } = world;
  const now = () => clock.sinceBoot();
  const saved = world.readSaved();
  const book = openBook(guard.ban, saved?.kept);
  const deciding = { guard, book, sparedBook: openBook(guard.ban), clock, newId };
  const firewall = openFirewall(guard.table, world.nft, log);
  const telling = openTelling(world, world, saved, readIncidents(world.readIncidents()), now());
  const counts = noCounts(new Date(clock.now()).toISOString());
  /** In the kernel; undefined: to be counted anew, or it cannot be. */
  let active: number | undefined;
  let isChanged = true;
  let wake = new AbortController();

  const queue: { readonly sighting: Sighting; readonly source: Source }[] = [];
  const inputs = openInputs(guard.sources, world, saved?.marks ?? {}, (sighting, source) => {
    if (queue.length < MOST_QUEUED) queue.push({ sighting, source });
    else counts.capped++;
    wake.abort();
  });

  const askKernel = async () => {
    const standing = guard.applies ? await firewall.standing() : undefined;
    active = standing?.length;
    return standing;
  };
  const learn = async (): Promise<void> => {
    for (const { address, timeout, expires } of (await askKernel())?.slice(0, MOST_LEARNT) ?? []) {
      if (timeout === undefined || expires === undefined) continue;
      book.learn(address.text, now(), { seconds: timeout, left: expires });
    }
  };
  /** Somebody still attacks who is thought to be banned: perhaps a person took the ban away, or the table was made anew. */
  const doubt = async (doubtful: readonly Decision[]): Promise<void> => {
    const standing = await askKernel();
    const banned = new Set(standing?.map(({ address }) => address.text));
    for (const one of standing === undefined ? [] : doubtful)
      if (one?.kind === "doubtful" && !banned.has(one.address.text)) book.lapse(one.address.text, now());
  };
  const settle = (incident: Incident): void => {
    countIncident(counts, incident);
    world.appendIncident(incident);
    telling.put(incident, now());
  };
  const turn = async (): Promise<void> => {
    const seen = queue.splice(0);
    if (seen.length > 0) isChanged = true;
    const around = seen.length > 0 ? world.surroundings() : { own: [], lifeline: [] };
    const decisions = seen.map(({ sighting, source }) => decide(sighting, source, around, deciding));
    const incidents = decisions.flatMap((one) => (one?.kind === "incident" ? [one] : []));
    for (const { address, bans, incident } of incidents)
      if (bans) firewall.order({ address, seconds: incident.seconds ?? guard.ban.seconds }, now());
    const banned: ReadonlySet<string> = firewall.isDue(now()) ? await firewall.flush(now()) : new Set();
    if (banned.size > 0) active = undefined;
    for (const { bans, incident } of incidents)
      settle(bans && banned.has(incident.source) ? { ...incident, action: "banned" } : incident);
    counts.capped += decisions.filter((one) => one?.kind === "capped").length;
    const doubtful = decisions.filter((one) => one?.kind === "doubtful");
    if (doubtful.length > 0 && now() >= due.doubt) {
      due.doubt = now() + EVERY.doubt;
      await doubt(doubtful);
    }
  };
  const writeStatus = async (): Promise<void> => {
    if (guard.applies && active === undefined) await askKernel();
    const status: Status = {
      version: 1,
      at: new Date(clock.now()).toISOString(),
      since: counts.since,
      applies: guard.applies,
      table: guard.applies ? firewall.state : "off",
      bans: { active: active ?? book.active(now()), total: counts.bans, waiting: firewall.waiting },
      incidents: { total: counts.incidents, byReason: Object.fromEntries(counts.byReason) },
      spared: counts.spared,
      capped: counts.capped,
      ...telling.counts,
      sources: inputs.counts,
      last: counts.last ?? null,
    };
    world.writeStatus(status);
    isChanged = false;
  };
  const save = (): void => {
    if (telling.hasNews) isChanged = true;
    world.save({ marks: inputs.marks(), kept: book.keep(now()), ...telling.keep() });
  };

  const due = { status: 0, idleStatus: 0, save: now() + EVERY.save, standing: now() + EVERY.standing, doubt: 0 };
  const keepUp = async (hadIncidents: boolean): Promise<void> => {
    if (now() >= due.standing) {
      active = undefined;
      due.standing = now() + EVERY.standing;
    }
    if (hadIncidents || telling.hasNews || now() >= due.save) {
      save();
      due.save = now() + EVERY.save;
    }
    if ((isChanged && now() >= due.status) || now() >= due.idleStatus) {
      await writeStatus();
      due.status = now() + EVERY.status;
      due.idleStatus = now() + EVERY.idleStatus;
    }
  };
  /** Until there may be something to do: the next look, or shortly after the log spoke. */
  const rest = async (): Promise<void> => {
    wake = new AbortController();
    if (queue.length > 0) wake.abort();
    const stop = () => wake.abort();
    signal.addEventListener("abort", stop);
    await clock.sleep(LOOK, wake.signal).catch(() => undefined);
    signal.removeEventListener("abort", stop);
    if (wake.signal.aborted) await clock.sleep(GATHER, signal).catch(() => undefined);
  };

  await learn();
  const listening = inputs.listen();
  try {
    while (!signal.aborted) {
      const hasMore = inputs.look();
      const had = counts.incidents;
      await turn();
      telling.tick(now());
      await keepUp(counts.incidents > had);
      if (hasMore) await clock.sleep(1, signal).catch(() => undefined);
      else await rest();
    }
  } finally {
    save();
    await Promise.all([listening, telling.settled()]);
    save();
    inputs.close();
    await writeStatus();
  }
}
