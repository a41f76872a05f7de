/** Bans on their way to the kernel. It only ever adds and prolongs: expiry is the kernel's, and taking a ban away a person's. */
import type { CommandResult, Log } from "../api.ts";
import { type BanOrder, banText, readSet, type Standing, setOf } from "./nft.ts";

/** Runs nft. `undefined`: there is none. */
export type Nft = (args: readonly string[], stdin?: string) => Promise<CommandResult | undefined>;

/** How the last attempt went; docs/guard.md tells these. */
export type TableState = "unknown" | "ok" | "missing" | "failed" | "no-nft" | "off";

export interface Firewall {
  order(ban: BanOrder, now: number): void;
  readonly waiting: number;
  readonly state: TableState;
  /** Whether what waits should be tried now. */
  isDue(now: number): boolean;
  /** Tells nft of all that waits, in one transaction. What fails waits on. Gives the addresses that are banned now. */
  flush(now: number): Promise<ReadonlySet<string>>;
  /** What stands in the kernel; undefined if that cannot be known. */
  standing(): Promise<readonly Standing[] | undefined>;
}

const MOST_WAITING = 4096;
const LONGEST_PAUSE = 30;

export function openFirewall(table: string, nft: Nft, log: Log): Firewall {
  const waiting = new Map<string, { readonly order: BanOrder; readonly until: number }>();
  let state: TableState = "unknown";
  let pause = 0;
  let nextTry = 0;

  const turn = (next: TableState, said: string): void => {
    if (next !== state && next === "ok" && state !== "unknown") log("info", `bans reach table inet ${table} again`);
    if (next !== state && next !== "ok") log("error", `no bans: ${said}`);
    state = next;
  };
  /** Notes how nft ended; whether it did what it was told. */
  const judge = (result: CommandResult | undefined): boolean => {
    if (result === undefined) turn("no-nft", "nft is not on this device");
    else if (result.status === 0) turn("ok", "");
    else if (isMissing(result))
      turn(
        "missing",
        `table inet ${table} or its sets ban4 and ban6 are not there; the security module's service makes them`,
      );
    else turn("failed", `nft ended with ${result.status ?? result.signal}: ${firstLine(result.stderr)}`);
    return state === "ok";
  };
  const list = async (set: string): Promise<readonly Standing[] | undefined> => {
    const result = await nft(["-j", "list", "set", "inet", table, set]);
    if (result === undefined || isMissing(result)) judge(result);
    // nft without JSON can ban all the same, so that it cannot list says nothing of the table.
    if (result?.status !== 0) return undefined;
    if (state !== "failed") turn("ok", "");
    return readSet(result.stdout);
  };

  return {
    order(ban, now) {
      if (waiting.size >= MOST_WAITING) waiting.delete(waiting.keys().next().value ?? "");
      waiting.set(ban.address.text, { order: ban, until: now + ban.seconds });
    },
    get waiting() {
      return waiting.size;
    },
    get state() {
      return state;
    },
    isDue(now) {
      return waiting.size > 0 && now >= nextTry;
    },
    async flush(now) {
      for (const [text, { until }] of waiting) if (until <= now) waiting.delete(text);
      const batch = [...waiting.values()].map(({ order, until }) => ({ ...order, seconds: until - now }));
      const families = [...new Set(batch.map(({ address }) => address.family))];
      const stand = (await Promise.all(families.map((family) => list(setOf(family))))).flatMap((one) => one ?? []);
      const left = new Map(stand.map((one) => [one.address.text, leftOf(one)]));
      // Whoever is banned for longer already, by a person or the kernel's own guard, stays so.
      const shorter = batch.filter(({ address, seconds }) => (left.get(address.text) ?? 0) < seconds);
      const isDone = shorter.length === 0 || judge(await nft(["-f", "-"], banText(table, shorter)));
      if (!isDone) {
        pause = Math.min(LONGEST_PAUSE, Math.max(1, pause * 2));
        nextTry = now + pause;
        return new Set();
      }
      pause = 0;
      nextTry = 0;
      for (const { address } of batch) waiting.delete(address.text);
      return new Set(batch.map(({ address }) => address.text));
    },
    async standing() {
      const [four, six] = [await list("ban4"), await list("ban6")];
      return four && six && [...four, ...six];
    },
  };
}

function isMissing({ status, stderr }: CommandResult): boolean {
  return status !== 0 && stderr.includes("No such file or directory");
}

function leftOf({ timeout, expires }: Standing): number {
  return timeout === undefined ? Number.POSITIVE_INFINITY : (expires ?? 0);
}

function firstLine(text: string): string {
  return (
    text
      .replace(/[^\x20-\x7e\n]/g, "?")
      .split("\n")[0]
      ?.slice(0, 200) ?? ""
  );
}
