/**
 * Sends values to Zabbix trapper items: they wait in a queue in RAM, each with its time, and go to every server of `SENDER_FILE`. It decides nothing and never
 * throws: a server that is away keeps nobody waiting.
 */
import type { Clock, Disk, Log } from "../api.ts";
import { asProvisionError } from "../errors.ts";
import { readTaken, sendRequest, type Taken, type TrapperValue } from "./message.ts";
import { type Claimed, claim, enqueue, finish, giveBack, waiting } from "./queue.ts";
import { type Proof, readTarget, type SenderTarget, type TrapperServer } from "./target.ts";

/** Puts a request to a server and gives its whole answer, as `host/trapper.ts` does; throws if there is none before the signal. */
export type AskTrapper = (
  server: TrapperServer,
  request: Uint8Array,
  proof: Proof | undefined,
  signal: AbortSignal,
) => Promise<Uint8Array>;

export interface SenderDevice {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly ask: AskTrapper;
  /** Who is alive, by the tokens of `host/processes.ts`. */
  readonly processes: { readonly self: string; isAlive(token: string): boolean };
}

/** A value to send: its time is that of the call if none is given. */
export interface NewValue {
  readonly key: string;
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly at?: number;
}

/** What a delivery came to: batches that every server has, and those that wait. */
export interface Delivery {
  readonly sent: number;
  readonly waiting: number;
}

export interface Sender {
  /** Values for the device's trapper items; nothing is kept where nobody is to hear of it. */
  put(values: readonly NewValue[]): void;
  /** Sends what waits, the oldest first; resolves when that is done, at the signal, or after 10 seconds. */
  deliver(signal: AbortSignal): Promise<Delivery>;
}

const SECONDS = { all: 10, one: 5 } as const;

/** A new host or item is known to a server only when its cache is renewed (10 s to 1 min as a rule): values that find none are tried again so often. */
const MOST_TRIES = 20;

export function openSender(device: SenderDevice): Sender {
  const { disk, clock, log, processes } = device;
  const quietly = <T>(what: string, instead: T, act: () => T): T => {
    try {
      return act();
    } catch (thrown) {
      log("info", `${what}: ${asProvisionError(thrown).message}`);
      return instead;
    }
  };
  return {
    put(values) {
      quietly("an event is not kept", undefined, () => {
        if (readTarget(disk) === undefined || values.length === 0) return;
        const now = clock.now();
        const gone = enqueue(
          disk,
          values.map((one, at) => timed(one, now, at)),
          now,
        );
        if (gone > 0) log("warning", `${gone} batches of events gave way to newer ones`);
      });
    },
    async deliver(signal) {
      const target = quietly("events wait", undefined, () => readTarget(disk));
      const names = quietly("events wait", [], () => waiting(disk, processes.isAlive));
      if (target === undefined || names.length === 0) return { sent: 0, waiting: names.length };
      const end = AbortSignal.any([signal, AbortSignal.timeout(SECONDS.all * 1000)]);
      const delivery = new Delivering(device, target, end);
      for (const name of names) {
        if (end.aborted || delivery.isHopeless) break;
        const batch = quietly("an event is not sent", undefined, () => claim(disk, name, processes.self));
        if (batch !== undefined) await delivery.send(batch);
      }
      return { sent: delivery.sent, waiting: quietly("events wait", 0, () => waiting(disk, processes.isAlive).length) };
    },
  };
}

function timed({ key, value, at }: NewValue, now: number, index: number): TrapperValue {
  const milliseconds = Math.max(0, at ?? now);
  // Servers keep values of one item apart by their time alone.
  const ns = (Math.floor(milliseconds) % 1000) * 1_000_000 + (index % 1_000_000);
  return { key, value, clock: Math.floor(milliseconds / 1000), ns };
}

/** One delivery: a server that does not answer is left alone for the rest of it. */
class Delivering {
  sent = 0;
  readonly #device: SenderDevice;
  readonly #target: SenderTarget;
  readonly #signal: AbortSignal;
  readonly #away = new Set<string>();

  constructor(device: SenderDevice, target: SenderTarget, signal: AbortSignal) {
    this.#device = device;
    this.#target = target;
    this.#signal = signal;
  }

  get isHopeless(): boolean {
    return this.#target.servers.every((one) => this.#away.has(idOf(one)));
  }

  async send(batch: Claimed): Promise<void> {
    const { disk, log } = this.#device;
    const has = new Set(batch.sent);
    let isUnknown = false;
    for (const server of this.#target.servers) {
      const id = idOf(server);
      if (has.has(id) || this.#away.has(id)) continue;
      const taken = await this.#ask(server, batch);
      if (taken === undefined) continue;
      if (taken.processed === 0 && taken.failed > 0) {
        isUnknown = true;
        if (batch.tries + 1 < MOST_TRIES) continue;
      }
      // What was taken in part cannot be sent again: a part would be there twice.
      if (taken.failed > 0) {
        const items = [...new Set(batch.values.map(({ key }) => key))].slice(0, 5).join(", ");
        log(
          "warning",
          `${id} does not take ${taken.failed} of ${batch.values.length} values (${items}): has host ${this.#target.host} these items?`,
        );
      }
      has.add(id);
    }
    try {
      if (this.#target.servers.every((one) => has.has(idOf(one)))) {
        finish(disk, batch);
        this.sent += 1;
      } else giveBack(disk, batch, { values: batch.values, sent: [...has], tries: batch.tries + (isUnknown ? 1 : 0) });
    } catch (thrown) {
      log("info", `an event may be sent twice: ${asProvisionError(thrown).message}`);
    }
  }

  async #ask(server: TrapperServer, { values }: Claimed): Promise<Taken | undefined> {
    const { ask, clock, log } = this.#device;
    try {
      const now = clock.now();
      const request = sendRequest(this.#target.host, values, {
        clock: Math.floor(now / 1000),
        ns: (now % 1000) * 1_000_000,
      });
      const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(SECONDS.one * 1000)]);
      return readTaken(await ask(server, request, this.#target.proof, signal));
    } catch (thrown) {
      this.#away.add(idOf(server));
      log("info", `events wait: ${idOf(server)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      return undefined;
    }
  }
}

function idOf({ host, port }: TrapperServer): string {
  return `${host} ${port}`;
}
