import type { Client, Dispatcher, Pool } from "undici";
import UndiciAgent from "undici/lib/dispatcher/agent.js";
import UndiciClient from "undici/lib/dispatcher/client.js";
import connectH1 from "undici/lib/dispatcher/client-h1.js";
import UndiciPool from "undici/lib/dispatcher/pool.js";
import { CONNECTIONS } from "./ahead.ts";
import { keepWasmBaseline } from "./baseline-wasm.ts";
import type { Connector, Link } from "./connect.ts";

/** The connection that carries a request. */
export interface Carrier {
  readonly link: Link;
  /** Whether it carried another before, or waited for the first: then the server may just have closed it. */
  readonly isReused: boolean;
}

/** Travels with a request, to learn what undici itself does not tell. */
export interface Trace {
  /** Set when a connection is chosen; asked once, when the request is on its way. */
  board?: () => Carrier | undefined;
}

export interface TracedOptions extends Dispatcher.DispatchOptions {
  readonly trace: Trace;
}

/** Questions that wait for their answers on the connection of small files. */
const QUEUE = 16;
const HEAD_BYTES = 16_384;
const KEEP_MILLISECONDS = 30_000;

export interface Agents {
  /** One request at a time on each connection. */
  readonly alone: Dispatcher;
  /** One connection more to an origin, on which requests do not wait for the answers to those before them (RFC 9112 §9.3.2). */
  readonly queued: Dispatcher;
  /** Ends all that is under way. */
  destroy(): Promise<unknown>;
}

/** undici's agents over our own connections, kept between requests, HTTP/1.1. */
export function openAgents(connector: Connector): Agents {
  keepWasmBaseline();
  const alone = agentOf(connector, CONNECTIONS, 1);
  const queued = agentOf(connector, 1, QUEUE);
  return { alone, queued, destroy: () => Promise.all([alone.destroy(), queued.destroy()]) };
}

function agentOf(connector: Connector, connections: number, pipelining: number): Dispatcher {
  return new UndiciAgent({
    connections,
    pipelining,
    connect: (_options, done) => done(new Error("each client has its own way"), null), // else undici makes one
    maxHeaderSize: HEAD_BYTES,
    keepAliveTimeout: KEEP_MILLISECONDS,
    keepAliveMaxTimeout: KEEP_MILLISECONDS,
    // Deadlines are ours (exchange.ts): undici's are checked every half second at best.
    headersTimeout: 0,
    bodyTimeout: 0,
    factory: (origin, options) =>
      new UndiciPool(origin, {
        ...(options as Pool.Options),
        factory: (one, pooled) => new TracedClient(one, pooled as Client.Options, connector),
      }),
  });
}

/** One connection at a time to one origin, that says which. */
class TracedClient extends UndiciClient {
  readonly #connection: { link?: Link; requests: number };

  constructor(origin: URL, options: Client.Options, connector: Connector) {
    const connection: { link?: Link; requests: number } = { requests: 0 };
    super(origin, {
      ...options,
      connect(_options, done) {
        connector.open(origin, (error, link) => {
          if (link === undefined) return done(error ?? new Error("no connection"), null);
          Object.assign(connection, { link, requests: link.hasWaited ? 1 : 0 });
          done(null, link.socket);
        });
        setImmediate(makeParser);
      },
    });
    this.#connection = connection;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const connection = this.#connection;
    if (isTraced(options)) {
      options.trace.board = () => {
        const { link } = connection;
        return link && { link, isReused: connection.requests++ > 0 };
      };
    }
    return super.dispatch(options, handler);
  }
}

/** Compiling it takes the processor some ten milliseconds, while the server's first answer is still on its way. */
function makeParser(): void {
  try {
    connectH1.makeParser?.();
  } catch {
    // the connection that needs it tries again, and says what is wrong
  }
}

function isTraced(options: Dispatcher.DispatchOptions): options is TracedOptions {
  return "trace" in options;
}
