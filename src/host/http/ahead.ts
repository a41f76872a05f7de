import type { Socket } from "node:net";
import type { Connector, Link, OnLink } from "./connect.ts";

/** Opens connections before they are asked for. */
export interface AheadConnector extends Connector {
  /** So many are about to be asked for, those that were said before and never asked for among them. */
  expect(origin: URL, count: number): void;
  /** Whether a round trip to this origin takes so long that saving some is worth more handshakes; false: near, or not known. */
  isFar(origin: URL): boolean;
}

/** To one origin, besides the one that brings small files: so many bring 1 MB in three round trips (pieces.ts). */
export const CONNECTIONS = 11;
/** Below this a handshake of TLS costs a small device more than the round trips that it saves. */
const FAR_MILLISECONDS = 10;

/**
 * A connection takes two round trips (TCP, TLS 1.3) before its first question. Where more are known to be needed, their TCP is opened at once, and TLS as soon as TCP has
 * shown by its own time that the server is far; for a near one whoever asks does that. What comes to nothing is opened anew when it is needed. `make` is told whom to tell
 * how long a TCP handshake took.
 */
export function connectAhead(
  make: (onReached: (origin: URL, milliseconds: number) => void) => Connector,
): AheadConnector {
  const distances = new Map<string, number>();
  const spares = new Map<string, Spare[]>();
  const connector = make((origin, milliseconds) => {
    if (!distances.has(origin.origin)) distances.set(origin.origin, milliseconds);
  });
  const isFar = (origin: URL) => (distances.get(origin.origin) ?? 0) >= FAR_MILLISECONDS;
  return {
    ...connector,
    isFar,
    expect(origin, count) {
      const waiting = (spares.get(origin.origin) ?? []).filter((spare) => !spare.isGone);
      while (waiting.length < count) waiting.push(new Spare(connector, origin, () => isFar(origin)));
      spares.set(origin.origin, waiting);
    },
    open(origin, done) {
      const waiting = spares.get(origin.origin) ?? [];
      for (let spare = waiting.shift(); spare !== undefined; spare = waiting.shift()) if (spare.handTo(done)) return;
      connector.open(origin, done);
    },
    close() {
      connector.close();
      for (const spare of [...spares.values()].flat()) spare.close();
      spares.clear();
    },
  };
}

/** A connection that nobody has asked for yet. */
class Spare {
  readonly #connector: Connector;
  readonly #origin: URL;
  /** Open, and waiting for whoever asks: TCP alone, or the whole. */
  #line: Socket | undefined;
  #link: Link | undefined;
  /** It has come to nothing. */
  isGone = false;
  #done: OnLink | undefined;
  readonly #onEnd = () => {
    this.isGone = true;
    this.close();
  };

  constructor(connector: Connector, origin: URL, isFar: () => boolean) {
    this.#connector = connector;
    this.#origin = origin;
    connector.reach(origin, (error, line) => {
      if (line === undefined) this.#came(error);
      else if (this.#done !== undefined || isFar()) connector.secure(origin, line, (...came) => this.#came(...came));
      else this.#line = this.#watched(line);
    });
  }

  #came(error: Error | undefined, link?: Link): void {
    if (this.#done !== undefined) this.#done(error, link);
    else if (link === undefined) this.isGone = true;
    else this.#link = { ...link, socket: this.#watched(link.socket), hasWaited: true };
  }

  #watched<T extends Socket>(socket: T): T {
    for (const end of ENDS) socket.once(end, this.#onEnd);
    return socket;
  }

  /**
   * False: it is gone, and another has to be opened. `done` is never called before this returns: undici goes on with a request only if it is told
   * later.
   */
  handTo(done: OnLink): boolean {
    if (this.isGone) return false;
    this.#done = done;
    const line = this.#line;
    const link = this.#link;
    for (const end of ENDS) (link?.socket ?? line)?.off(end, this.#onEnd);
    if (link !== undefined) queueMicrotask(() => done(undefined, link));
    else if (line !== undefined) queueMicrotask(() => this.#secureOrAnew(line, done));
    return true;
  }

  /** The server may have closed a line that waited. */
  #secureOrAnew(line: Socket, done: OnLink): void {
    this.#connector.secure(this.#origin, line, (_error, link) => {
      if (link === undefined) this.#connector.open(this.#origin, done);
      else done(undefined, { ...link, hasWaited: true });
    });
  }

  close(): void {
    (this.#link?.socket ?? this.#line)?.destroy();
  }
}

const ENDS = ["error", "end", "close"] as const;
