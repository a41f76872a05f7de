import { setMaxListeners } from "node:events";
import type { Clock, Disk, Http, HttpAnswer, HttpRequest, Transport } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { redactUri } from "../../uri.ts";
import type { AskServerKeys } from "../tlsa.ts";
import { CONNECTIONS, connectAhead } from "./ahead.ts";
import { type Body, memoryBody, type Part, Restart, spoolBody } from "./body.ts";
import { connector } from "./connect.ts";
import { isBusy } from "./crowd.ts";
import { type Answer, exchange, type Sink } from "./exchange.ts";
import { entityTag, field, isSameTag, lastModified, retryAfter, statedLength, strongTag } from "./head.ts";
import type { HttpSettings } from "./how.ts";
import { fetchPieces, isWorthPieces, Whole } from "./pieces.ts";
import { refusePortalType, refusingHtml } from "./portal.ts";
import { isRedirection, redirection, requestUri } from "./redirect.ts";
import { Requests } from "./requests.ts";
import { telling } from "./telling.ts";

/** The client itself, in a chunk of its own: `openHttp` loads it with the first request. */
export function openClient(
  { settings, serverKeys }: { readonly settings: HttpSettings; readonly serverKeys?: AskServerKeys | undefined },
  disk: Disk,
  clock: Clock,
  isClockPlausible: () => boolean,
): Required<Http> {
  const connections = connectAhead((onReached) => connector(settings, clock, isClockPlausible, serverKeys, onReached));
  let loading: Promise<Requests> | undefined;
  let isClosed = false;
  // undici is half of what HTTP takes to load, and none of it is needed to connect.
  const requests = (): Promise<Requests> => {
    loading ??= import("./agent.ts").then(
      ({ openAgents }) => new Requests(openAgents(connections), settings, connections.isFar),
    );
    return loading;
  };
  const parts = new Map<string, Part>();
  return {
    async get(request) {
      const uri = requestUri(request.uri);
      const { signal, release } = deadline(request.signal, settings.totalSeconds, uri);
      const body =
        request.spool === undefined
          ? memoryBody(request.limit)
          : spoolBody({ disk, path: request.spool, asked: uri.href, limit: request.limit, parts });
      try {
        return await new Fetch({ requests: await requests(), settings, clock, request, body, signal }).follow(uri);
      } catch (thrown) {
        body.giveUp(thrown);
        throw thrown;
      } finally {
        release();
      }
    },
    async post(letter) {
      const uri = requestUri(letter.uri);
      const { signal, release } = deadline(letter.signal, settings.totalSeconds, uri);
      const { headerSeconds, bodyIdleSeconds, userAgent } = settings;
      const fields = {
        ...Object.fromEntries(Object.entries(letter.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
        accept: "*/*",
        "accept-encoding": "identity",
        "content-type": letter.contentType ?? "application/json",
        "user-agent": userAgent,
      };
      try {
        const { body, method } = letter;
        const asked = { uri, fields, signal, headerSeconds, bodyIdleSeconds, body, ...(method ? { method } : {}) };
        const answer = await exchange((await requests()).agents.alone, asked, () => undefined);
        return { status: answer.status, retryAfter: retryAfter(answer, clock.now()) };
      } finally {
        release();
      }
    },
    expect(text, requests) {
      // A server whose zone must vouch for it is not even connected to before it does.
      if (serverKeys === undefined) connections.expect(requestUri(text), Math.min(requests, CONNECTIONS + 1));
    },
    prepare() {
      if (!isClosed) requests().catch(() => undefined); // whoever asks is told
    },
    async close() {
      isClosed = true;
      const closing = loading?.then(({ agents }) => agents.destroy());
      connections.close();
      for (const [path, part] of parts) {
        part.file.abandon();
        if (disk.stat(path) !== undefined) disk.unlink(path);
      }
      parts.clear();
      await closing;
    },
  };
}

interface FetchWith {
  readonly requests: Requests;
  readonly settings: HttpSettings;
  readonly clock: Clock;
  readonly request: HttpRequest;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/** Pieces of a large file from a server that closes its connections: the others are for the small files. */
const FEW_PIECES = 6;

/** One `get`: hop by hop to the answer that counts. */
class Fetch {
  readonly #with: FetchWith;
  #isConditional: boolean;
  #isProven = true;

  constructor(how: FetchWith) {
    this.#with = how;
    this.#isConditional = how.request.etag !== undefined || how.request.modified !== undefined;
  }

  async follow(start: URL): Promise<HttpAnswer> {
    const inPieces = await this.#inPieces(start);
    if (inPieces !== undefined) return telling(start, () => this.#conclude(inPieces, start));
    const visited: string[] = [];
    let uri = start;
    for (;;) {
      visited.push(uri.href);
      const answer = await this.#ask(uri, start);
      this.#isProven &&= answer.link.proofs.length > 0;
      if (!isRedirection(answer.status)) return telling(uri, () => this.#conclude(answer, uri));
      uri = redirection(answer, uri, visited, this.#with.settings.maxRedirects);
    }
  }

  /**
   * A large body of a far server that gives parts, over several connections. Undefined: it is not that, or did not come so, and is to be asked for as a whole.
   */
  async #inPieces(uri: URL): Promise<Answer | undefined> {
    const { request, requests, body, signal } = this.#with;
    const { size, spool } = request;
    const server = requests.serverOf(uri);
    const mayBe = spool !== undefined && !this.#isConditional && body.fields().range === undefined;
    if (!mayBe || !isWorthPieces(size) || !server.givesParts || !requests.isFar(uri)) return undefined;
    try {
      const answers = await fetchPieces({
        uri,
        most: server.isSteady ? CONNECTIONS : FEW_PIECES,
        size,
        body,
        signal,
        ask: async ({ first, last }, stop, choose) => {
          const fields = { ...this.#fields(uri, uri, false), range: `bytes=${first}-${last}` };
          const answer = await requests.one({ uri, fields, signal: stop }, choose);
          if (isBusy(answer)) throw new Whole("the server has too much to do");
          return answer;
        },
      });
      return provenByAll(answers);
    } catch (thrown) {
      if (thrown instanceof Whole) return undefined;
      throw thrown;
    }
  }

  /**
   * Asks one URI until it has answered what was asked: a part that does not fit and a 304 for another version than ours are no answers; each of these can
   * happen only once.
   */
  async #ask(uri: URL, start: URL): Promise<Answer> {
    const { body, request, requests, signal } = this.#with;
    const { size, sha256, spool } = request;
    const listed = spool === undefined && sha256 !== undefined ? size : undefined;
    // Answers that come in another order than the questions went are of other files.
    const isIt = (answer: Answer) =>
      answer.status === 304 || (answer.status === 200 && body.finish().sha256 === sha256);
    for (;;) {
      const part = body.fields();
      const fields = { ...this.#fields(uri, start, part.range === undefined), ...part };
      try {
        const answer = await requests.soon(
          { uri, fields, signal },
          listed,
          (head) => this.#choose(head, uri, start),
          isIt,
        );
        if (answer.status === 416 && part.range !== undefined) body.giveUp(undefined);
        else if (answer.status === 304 && this.#isConditional && !this.#isOurs(answer)) this.#isConditional = false;
        else return answer;
      } catch (thrown) {
        if (!(thrown instanceof Restart)) throw thrown;
      }
    }
  }

  /** What the caller adds may say who the device is: that stays with the server it was meant for. */
  #fields(uri: URL, start: URL, mayBeConditional: boolean): Record<string, string> {
    const { request, settings } = this.#with;
    const added = uri.origin === start.origin ? Object.entries(request.headers ?? {}) : [];
    return {
      ...Object.fromEntries(added.map(([name, value]) => [name.toLowerCase(), value])),
      accept: "*/*",
      "accept-encoding": "identity",
      "user-agent": settings.userAgent,
      ...(mayBeConditional && this.#isConditional ? this.#conditions() : {}),
    };
  }

  #conditions(): Record<string, string> {
    const { etag, modified } = this.#with.request;
    return {
      ...(etag === undefined ? {} : { "if-none-match": etag }),
      ...(modified === undefined ? {} : { "if-modified-since": modified }),
    };
  }

  #choose(answer: Answer, uri: URL, start: URL): Sink | undefined {
    const { body } = this.#with;
    if (answer.status === 200) {
      refusePortalType(answer, start);
      body.begin({ length: statedLength(answer), tag: strongTag(answer) }, uri.href);
      return refusingHtml(body, start);
    }
    if (answer.status !== 206) return undefined;
    body.resume(answer, uri.href);
    return body;
  }

  /** A 304 names the version it is about (RFC 9110 §15.4.5); a confused cache may name another than the one asked about. */
  #isOurs(answer: Answer): boolean {
    const asked = this.#with.request.etag;
    const told = entityTag(answer);
    return asked === undefined || told === undefined || isSameTag(asked, told);
  }

  #conclude(answer: Answer, uri: URL): HttpAnswer {
    const { status } = answer;
    const about = { uri: uri.href, transport: this.#transport(answer, uri) };
    if (status === 200 || status === 206) {
      const received = this.#with.body.finish();
      return { kind: "body", ...about, ...received, ...described(answer) };
    }
    if (status === 304 && this.#isConditional) return { kind: "not-modified", ...about };
    if (status === 404 || status === 410) {
      this.#with.body.giveUp(undefined);
      return { kind: "absent", ...about };
    }
    throw this.#refusal(answer);
  }

  #transport(answer: Answer, uri: URL): Transport {
    const scheme = uri.protocol === "https:" ? "https" : "http";
    const [proof, ...alsoProven] = this.#isProven ? answer.link.proofs : [];
    return {
      scheme,
      host: uri.hostname,
      port: Number(uri.port) || (scheme === "https" ? 443 : 80),
      proof: proof ?? { kind: "none" },
      ...(alsoProven.length > 0 ? { alsoProven } : {}),
    };
  }

  #refusal(answer: Answer): ProvisionError {
    const { status } = answer;
    if (status === 511) return new ProvisionError("PORTAL", "status 511: the network wants a log-in");
    if (status >= 500 || status === 408 || status === 425 || status === 429) {
      const seconds = retryAfter(answer, this.#with.clock.now());
      const facts = seconds === undefined ? {} : { retryAfter: seconds };
      return new ProvisionError("HTTP_UNAVAILABLE", `the server answered with status ${status}`, facts);
    }
    if (status >= 400) return new ProvisionError("HTTP_REFUSED", `the server refused it with status ${status}`);
    return new ProvisionError("HTTP_ODD", `the server answered with status ${status}`);
  }
}

/** The first answer, over a connection that is proven by no more than all of them are. */
function provenByAll(answers: readonly Answer[]): Answer {
  const [first, ...others] = answers as [Answer, ...Answer[]];
  const proofs = first.link.proofs.filter((proof) =>
    others.every(({ link }) =>
      link.proofs.some(({ kind, fingerprint }) => kind === proof.kind && fingerprint === proof.fingerprint),
    ),
  );
  return { ...first, link: { ...first.link, proofs } };
}

function described(answer: Answer): { etag?: string; modified?: string; contentType?: string } {
  const etag = entityTag(answer);
  const modified = lastModified(answer);
  const contentType = field(answer, "content-type");
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(modified === undefined ? {} : { modified }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

/** The caller's signal, and our own bound on the whole: its reason is what the fetch ends with. */
function deadline(asked: AbortSignal, seconds: number, uri: URL): { signal: AbortSignal; release: () => void } {
  const told = redactUri(uri.href);
  const control = new AbortController();
  const onAbort = () => {
    const cause: unknown = asked.reason;
    const stopped = new ProvisionError("STOPPED", `fetching ${told}: asked to stop`, { cause });
    control.abort(cause instanceof ProvisionError ? cause : stopped);
  };
  const timer = setTimeout(() => {
    const place = { file: told };
    control.abort(new ProvisionError("HTTP_TIMEOUT", `fetching ${told}: not done within ${seconds} s`, { place }));
  }, seconds * 1000);
  // A run has one signal for many fetches at once: more than ten listeners are no leak here.
  setMaxListeners(0, asked);
  if (asked.aborted) onAbort();
  else asked.addEventListener("abort", onAbort, { once: true });
  return {
    signal: control.signal,
    release() {
      clearTimeout(timer);
      asked.removeEventListener("abort", onAbort);
    },
  };
}
