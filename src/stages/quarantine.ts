import type { RunContext } from "../context.ts";
import { asProvisionError, type ErrorCode, type ProvisionError } from "../errors.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";

/** In RAM: a boot forgets it, as it may have brought another network. */
const FILE = `${RAM_FOLDER}/quarantine.json`;
const HOUR = 3600;
const MOST = 16;
const LONGEST_BASE = 4096;
const SIZE_LIMIT = 131_072;

/** Who named a tree, and where it is. */
interface Named {
  readonly resolver: string;
  readonly base: { readonly text: string };
}

interface Entry {
  readonly resolver: string;
  readonly base: string;
  readonly code: string;
  /** Seconds since boot: a wall clock may jump. */
  readonly at: number;
  /** Whether a run has passed it over: with a slow schedule an hour would end before anybody else had a turn. */
  readonly isPassedOver: boolean;
}

/** What these say is a fault of the device itself; every source would fail by it. */
const OWN_FAULTS: readonly ErrorCode[] = ["LATCH_INVALID", "KEY_INVALID"];

/**
 * Puts a source aside whose tree was refused or is invalid, for an hour and at least for one run, so that the next one that is trusted no less gets its
 * turn. Any other failure says nothing about the source.
 */
export function quarantine(ctx: RunContext, source: Named, error: ProvisionError): void {
  const isTheTrees =
    error.exit === "trust-refused" || error.exit === "invalid-content" || error.code === "GENERATION_BAD";
  if (!isTheTrees || OWN_FAULTS.includes(error.code) || ctx.choices.isDry) return;
  const { resolver, base } = source;
  if (base.text.length > LONGEST_BASE) return;
  const entry = { resolver, base: base.text, code: error.code, at: ctx.clock.sinceBoot(), isPassedOver: false };
  write(ctx, [entry, ...read(ctx).filter((one) => !isOf(one, source))].slice(0, MOST));
}

/** The source's tree is good. */
export function release(ctx: RunContext, source: Named): void {
  const entries = read(ctx);
  const others = entries.filter((one) => !isOf(one, source));
  if (others.length < entries.length && !ctx.choices.isDry) write(ctx, others);
}

/** Why the source is put aside; undefined: it is not. */
export function quarantinedFor(ctx: RunContext, source: Named): string | undefined {
  if (ctx.choices.isForced && !ctx.choices.isDry) return undefined;
  const entry = read(ctx).find((one) => isOf(one, source));
  const age = ctx.clock.sinceBoot() - (entry?.at ?? 0);
  // Younger than nothing: the file is from another boot.
  return entry && age >= 0 && (age < HOUR || !entry.isPassedOver) ? entry.code : undefined;
}

/** Another source got its turn. */
export function notePassedOver(ctx: RunContext, source: Named): void {
  const entries = read(ctx);
  if (ctx.choices.isDry || !entries.some((one) => isOf(one, source) && !one.isPassedOver)) return;
  write(
    ctx,
    entries.map((one) => (isOf(one, source) ? { ...one, isPassedOver: true } : one)),
  );
}

function isOf(entry: Entry, { resolver, base }: Named): boolean {
  return entry.resolver === resolver && entry.base === base.text;
}

function read(ctx: RunContext): readonly Entry[] {
  try {
    const entries: unknown = JSON.parse(ctx.disk.read(FILE, SIZE_LIMIT) ?? "[]");
    return Array.isArray(entries) ? entries.flatMap((one) => entryOf(one) ?? []).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function entryOf(value: unknown): Entry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { resolver, base, code, at, isPassedOver } = Object.fromEntries(Object.entries(value));
  if (typeof resolver !== "string" || typeof base !== "string") return undefined;
  if (typeof code !== "string" || typeof at !== "number") return undefined;
  return { resolver, base, code, at, isPassedOver: isPassedOver === true };
}

/** Without room in RAM the order of the settings counts, as if nothing had failed. */
function write(ctx: RunContext, entries: readonly Entry[]): void {
  const next = `${FILE}.new`;
  try {
    makeFolder(ctx.disk, RAM_FOLDER, 0o755);
    if (ctx.disk.stat(next)) ctx.disk.unlink(next);
    ctx.disk.writeNew(next, Buffer.from(`${JSON.stringify(entries)}\n`), { mode: 0o600 });
    ctx.disk.rename(next, FILE);
  } catch (thrown) {
    ctx.log("debug", `who failed is not noted: ${asProvisionError(thrown).message}`);
  }
}
