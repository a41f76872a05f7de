import type { Connector, Link } from "./connect.ts";

/** Opens connections before they are asked for, to a server that is known to be asked for more at once. */
export interface AheadConnector extends Connector {
  /** `count` more requests to this origin are to come together: once it turns out to be far, as many connections are opened. */
  expect(origin: URL, count: number): void;
  /** Whether a round trip to this origin takes so long that saving some is worth more handshakes; false: near, or not known. */
  isFar(origin: URL): boolean;
}

/** Below this a handshake costs a small device more than the round trips it saves. */
const FAR_MILLISECONDS = 10;

/**
 * A connection takes two round trips (TCP, TLS 1.3) before its first question. Where one request decides that many follow, as that for a manifest does, theirs are opened
 * while it is answered: as soon as the first connection has shown, by the time of its own TCP handshake, that the server is far. What cannot be opened ahead is
 * opened when it is needed. `make` is told whom to tell how long a TCP handshake took.
 */
export function connectAhead(
  make: (onReached: (origin: URL, milliseconds: number) => void) => Connector,
): AheadConnector {
  const distances = new Map<string, number>();
  const expected = new Map<string, number>();
  const spares = new Map<string, Spare[]>();
  let isClosed = false;

  const isFar = (origin: URL) => (distances.get(origin.origin) ?? 0) >= FAR_MILLISECONDS;
  const openExpected = (origin: URL) => {
    const count = expected.get(origin.origin);
    expected.delete(origin.origin);
    if (count === undefined || isClosed || !isFar(origin)) return;
    const more = Array.from({ length: count }, () => new Spare(connector, origin));
    spares.set(origin.origin, [...(spares.get(origin.origin) ?? []), ...more]);
  };
  const connector = make((origin, milliseconds) => {
    if (!distances.has(origin.origin)) distances.set(origin.origin, milliseconds);
    openExpected(origin);
  });
  return {
    isFar,
    expect(origin, count) {
      expected.set(origin.origin, count);
      if (distances.has(origin.origin)) openExpected(origin);
    },
    open(origin, done) {
      const waiting = spares.get(origin.origin) ?? [];
      for (let spare = waiting.shift(); spare !== undefined; spare = waiting.shift()) if (spare.handTo(done)) return;
      connector.open(origin, done);
    },
    close() {
      isClosed = true;
      connector.close();
      for (const spare of [...spares.values()].flat()) spare.close();
    },
  };
}

/** A connection that nobody has asked for yet. */
class Spare {
  #link: Link | undefined;
  #isGone = false;
  #done: Parameters<Connector["open"]>[1] | undefined;
  readonly #onEnd = () => {
    this.#isGone = true;
    this.#link?.socket.destroy();
  };

  constructor(connector: Connector, origin: URL) {
    connector.open(origin, (error, link) => {
      if (this.#done !== undefined) this.#done(error, link);
      else if (link === undefined) this.#isGone = true;
      else this.#keep(link);
    });
  }

  #keep(link: Link): void {
    this.#link = { ...link, hasWaited: true };
    for (const end of ENDS) link.socket.once(end, this.#onEnd);
  }

  /** False: it has come to nothing meanwhile, and another has to be opened. Never calls back at once: undici goes on with a request only if told later. */
  handTo(done: Parameters<Connector["open"]>[1]): boolean {
    if (this.#isGone) return false;
    this.#done = done;
    const link = this.#link;
    if (link === undefined) return true;
    for (const end of ENDS) link.socket.off(end, this.#onEnd);
    queueMicrotask(() => done(undefined, link));
    return true;
  }

  close(): void {
    if (this.#done === undefined) this.#link?.socket.destroy();
  }
}

const ENDS = ["error", "end", "close"] as const;
