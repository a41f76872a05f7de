import type { Dispatcher } from "undici";
import { ProvisionError } from "../../errors.ts";
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
  /** What was asked for over its queue and has not come; who ends that sends all of it another way. */
  queuedBytes = 0;
  readonly queue = new AbortController();
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
  async one(question: Question, choose: Choose): Promise<Answer> {
    const { crowd } = this.serverOf(question.uri);
    for (let stale = 0; ; stale++) {
      try {
        return await crowd.ask(() => this.#ask(this.agents.alone, question, choose), question.signal);
      } catch (thrown) {
        if (!(thrown instanceof StaleConnection) || stale === MOST_STALE) throw thrown;
      }
    }
  }

  /**
   * The same for a file of which a list tells how large it is: a small one of a far server is asked for without waiting for the answers to those asked for before it. If a server, or
   * something on the way to it, does not bear that (`isIt` says whether the answer is of this file), it is asked again, in the usual way, and so are all others of that server.
   */
  async soon(
    question: Question,
    bytes: number | undefined,
    choose: Choose,
    isIt: (answer: Answer) => boolean,
  ): Promise<Answer> {
    const { uri, signal } = question;
    const server = this.serverOf(uri);
    const { queue } = server;
    const mayQueue = server.givesParts && server.isSteady === true && !queue.signal.aborted && this.isFar(uri);
    if (bytes !== undefined && mayQueue && server.queuedBytes + bytes <= MOST_QUEUED_BYTES) {
      const queued = { ...question, signal: AbortSignal.any([signal, queue.signal]) };
      server.queuedBytes += bytes;
      try {
        const answer = await server.crowd.once(() => this.#ask(this.agents.queued, queued, choose));
        if (isIt(answer)) return answer;
      } catch (thrown) {
        // Neither who wanted it no longer nor a file that is too large says anything of the queue.
        if (signal.aborted || (thrown instanceof ProvisionError && thrown.code === "TOO_LARGE")) throw thrown;
      } finally {
        server.queuedBytes -= bytes;
      }
      queue.abort(new Error("this server is not asked so"));
    }
    return await this.one(question, choose);
  }

  #ask(agent: Dispatcher, question: Question, choose: Choose): Promise<Answer> {
    const { headerSeconds, bodyIdleSeconds } = this.#settings;
    const server = this.serverOf(question.uri);
    const see: Choose = (head) => {
      refuseOddHead(head);
      server.givesParts ||= givesParts(head);
      server.isSteady = (server.isSteady ?? true) && keepsOpen(head);
      return isBusy(head) ? undefined : choose(head);
    };
    const asked = { ...question, headerSeconds, bodyIdleSeconds };
    return exchange(agent, asked, (head) => telling(question.uri, () => see(head)));
  }
}
