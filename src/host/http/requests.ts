import type { Agents } from "./agent.ts";
import { CONNECTIONS } from "./ahead.ts";
import { Crowd, isBusy } from "./crowd.ts";
import { type Answer, type Asked, exchange, type Sink, StaleConnection } from "./exchange.ts";
import { givesParts, keepsOpen, refuseOddHead } from "./head.ts";
import type { HttpSettings } from "./how.ts";
import { telling } from "./telling.ts";

/** What is known of a server by what was fetched from it before. */
export class Server {
  /** It says that it gives parts of its files. */
  givesParts = false;
  /** It leaves connections open behind its answers, and answers what waits on one; undefined: nothing came yet. */
  isSteady: boolean | undefined;
  /** What was asked for over its queue and has not come. */
  queuedBytes = 0;
  readonly crowd = new Crowd();
}

export type Question = Pick<Asked, "uri" | "fields" | "signal">;
export type Choose = (head: Answer) => Sink | undefined;

/** Connections of one request that turn out to be closed: all that are kept, and all that were opened ahead. */
const MOST_STALE = 2 * (CONNECTIONS + 1);
/** Over the queue no more is under way than one connection brings in two round trips. */
const MOST_QUEUED_BYTES = 43_000;

/** Single GETs, by what each server was seen to bear. */
export class Requests {
  readonly agents: Agents;
  readonly isFar: (uri: URL) => boolean;
  readonly #settings: HttpSettings;
  readonly #servers = new Map<string, Server>();

  constructor(agents: Agents, settings: HttpSettings, isFar: (uri: URL) => boolean) {
    this.agents = agents;
    this.isFar = isFar;
    this.#settings = settings;
  }

  serverOf({ origin }: URL): Server {
    const known = this.#servers.get(origin) ?? new Server();
    this.#servers.set(origin, known);
    return known;
  }

  /** One request; over another connection if a kept one turns out to be closed, which can happen only so many times. */
  async one(question: Question, choose: Choose, agent = this.agents.alone): Promise<Answer> {
    const { uri, signal } = question;
    const { headerSeconds, bodyIdleSeconds } = this.#settings;
    const server = this.serverOf(uri);
    const see: Choose = (head) => {
      refuseOddHead(head);
      server.givesParts ||= givesParts(head);
      server.isSteady = (server.isSteady ?? true) && keepsOpen(head);
      return isBusy(head) ? undefined : choose(head);
    };
    const asked = { ...question, headerSeconds, bodyIdleSeconds };
    const ask = () => exchange(agent, asked, (head) => telling(uri, () => see(head)));
    for (let stale = 0; ; stale++) {
      try {
        return await server.crowd.ask(ask, signal);
      } catch (thrown) {
        if (!(thrown instanceof StaleConnection) || stale === MOST_STALE) throw thrown;
      }
    }
  }

  /**
   * The same for a file of so many bytes: a small one of a far server is asked for without waiting for the answers to those asked for before it. A server, or
   * something on the way to it, that does not bear that is asked again, in the usual way, and so for all that follow.
   */
  async soon(question: Question, bytes: number | undefined, choose: Choose): Promise<Answer> {
    const { uri, signal } = question;
    const server = this.serverOf(uri);
    const mayQueue = server.givesParts && server.isSteady === true && this.isFar(uri);
    if (bytes !== undefined && mayQueue && server.queuedBytes + bytes <= MOST_QUEUED_BYTES) {
      server.queuedBytes += bytes;
      try {
        const answer = await this.one(question, choose, this.agents.queued);
        if (isUsual(answer.status)) return answer;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
      } finally {
        server.queuedBytes -= bytes;
      }
      server.isSteady = false;
    }
    return await this.one(question, choose);
  }
}

/** What a static server says of a file that it has, or has not. */
function isUsual(status: number): boolean {
  return status < 400 || status === 404 || status === 410;
}
