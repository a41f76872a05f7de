import type { Dispatcher } from "undici";
import { type ErrorCode, ProvisionError } from "../../errors.ts";
import { redactUri } from "../../uri.ts";
import type { Carrier, Trace, TracedOptions } from "./agent.ts";
import type { Link } from "./connect.ts";
import { codeOf, isAlertAboutUs } from "./faults.ts";
import type { Head } from "./head.ts";

export interface Asked {
  readonly uri: URL;
  readonly fields: Readonly<Record<string, string>>;
  /** Its reason is thrown as it is. */
  readonly signal: AbortSignal;
  readonly headerSeconds: number;
  readonly bodyIdleSeconds: number;
  /** Makes it a POST, or what `method` says. */
  readonly body?: Uint8Array;
  readonly method?: "PUT";
}

/** Takes a body piece by piece; what it throws ends the exchange. */
export interface Sink {
  write(chunk: Uint8Array): void;
}

export interface Answer extends Head {
  readonly link: Link;
}

/** A server closed a kept connection at the moment it was used again: nothing was answered, and asking again is no second try. */
export class StaleConnection extends Error {}

/** A body that nobody wants is read up to here, so that its connection can be used again. */
const DRAINED_BYTES = 65_536;

/**
 * One GET, or POST or PUT if there is a body, over one connection, without following anything. `choose` sees the head and says where the body goes: into a sink, or away. Resolves
 * when the body is complete. Everything that goes wrong is a ProvisionError that names the URI, but for what `choose` throws, and StaleConnection.
 */
export function exchange(
  agent: Dispatcher,
  asked: Asked,
  choose: (answer: Answer) => Sink | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => new Exchange(asked, choose, resolve, reject).start(agent));
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #asked: Asked;
  readonly #choose: (answer: Answer) => Sink | undefined;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #trace: Trace = {};
  #controller: Dispatcher.DispatchController | undefined;
  #carrier: Carrier | undefined;
  #answer: Answer | undefined;
  #sink: Sink | undefined;
  #drained = 0;
  #timer: NodeJS.Timeout | undefined;
  #isSettled = false;

  constructor(
    asked: Asked,
    choose: (answer: Answer) => Sink | undefined,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#asked = asked;
    this.#choose = choose;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(agent: Dispatcher): void {
    const { uri, fields, signal, body, method } = this.#asked;
    if (signal.aborted) {
      this.#giveUp(signal.reason);
      return;
    }
    signal.addEventListener("abort", this.#onAbort, { once: true });
    const options: TracedOptions = {
      origin: uri.origin,
      path: `${uri.pathname}${uri.search}`,
      method: body === undefined ? "GET" : (method ?? "POST"),
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
      headers: { ...fields },
      blocking: false, // else it would be alone on its connection, wherever it goes
      trace: this.#trace,
    };
    agent.dispatch(options, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isSettled) {
      controller.abort(new Error("no longer wanted"));
      return;
    }
    this.#carrier = this.#trace.board?.();
    const { headerSeconds } = this.#asked;
    clearTimeout(this.#timer); // sent once more: its connection ended before its turn came
    this.#timer = setTimeout(
      () => this.#giveUp(this.#late("the head of the answer", headerSeconds)),
      headerSeconds * 1000,
    );
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, fields: Head["fields"]): void {
    // Interim answers (RFC 9110 §15.2) may come without number: the deadline for the real one goes on.
    if (status < 200 || this.#isSettled) return;
    const link = this.#carrier?.link;
    if (link === undefined) {
      this.#giveUp(this.#wrong("INTERNAL", "an answer without a connection"));
      return;
    }
    this.#answer = { status, fields, link };
    clearTimeout(this.#timer);
    const { bodyIdleSeconds } = this.#asked;
    this.#timer = setTimeout(() => this.#fail(this.#late("more of the body", bodyIdleSeconds)), bodyIdleSeconds * 1000);
    try {
      this.#sink = this.#choose(this.#answer);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#isSettled) return;
    this.#timer?.refresh();
    if (this.#sink === undefined) {
      this.#drained += chunk.length;
      if (this.#drained > DRAINED_BYTES) this.#fail(new Error("too much to drain"));
      return;
    }
    try {
      this.#sink.write(chunk);
    } catch (thrown) {
      const isKnown = thrown instanceof ProvisionError;
      this.#giveUp(isKnown ? this.#wrong(thrown.code, thrown.message, thrown.cause, thrown) : thrown);
    }
  }

  onResponseEnd(): void {
    const answer = this.#answer;
    // undici takes the connection back one turn of the event loop after this; who asks on at once would open another.
    if (answer) queueMicrotask(() => setImmediate(() => this.#succeed(answer)));
    else this.#giveUp(this.#wrong("INTERNAL", "an end without an answer"));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isSettled) return;
    if (this.#answer) this.#fail(this.#wrong(cutCode(error), "reading the body", error));
    else this.#giveUp(this.#beforeHead(error));
  }

  #beforeHead(error: Error): Error {
    const code = codeOf(error);
    if (error instanceof ProvisionError) return this.#wrong(error.code, error.message, error.cause, error);
    if (this.#carrier?.isReused && isClosing(code)) return new StaleConnection("closed while idle", { cause: error });
    return this.#wrong(headCode(error), "waiting for the answer", error);
  }

  /** A body nobody wants may fail as it likes: its head has said everything. */
  #fail(error: Error): void {
    if (this.#answer && this.#sink === undefined) this.#succeed(this.#answer);
    else this.#giveUp(error);
  }

  #succeed(answer: Answer): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#resolve(answer);
  }

  #giveUp(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#reject(error);
  }

  readonly #onAbort = () => this.#giveUp(this.#asked.signal.reason);

  #settle(): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#asked.signal.removeEventListener("abort", this.#onAbort);
    // After a complete answer this does nothing; else it closes the connection.
    this.#controller?.abort(new Error("no longer wanted"));
  }

  #late(what: string, seconds: number): ProvisionError {
    return this.#wrong("HTTP_TIMEOUT", `no sign of ${what} for ${seconds} s`);
  }

  #wrong(code: ErrorCode, words: string, cause?: unknown, told?: ProvisionError): ProvisionError {
    const uri = redactUri(this.#asked.uri.href);
    const reason = cause instanceof Error && told === undefined ? `: ${cause.message}` : "";
    return new ProvisionError(code, `fetching ${uri}: ${words}${reason}`, {
      place: told?.place ?? { file: uri },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function isClosing(code: string): boolean {
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE" || code === "ECONNABORTED";
}

/** Too large a head, and a framing that contradicts itself. */
const NO_HTTP: ReadonlySet<string> = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** Before the head: the peer went away, spoke no HTTP, or would not have us. */
function headCode(error: Error): ErrorCode {
  const code = codeOf(error);
  if (NO_HTTP.has(code) || isNoHttp(error)) return "HTTP_ODD";
  if (code === "ETIMEDOUT") return "HTTP_TIMEOUT";
  if (isAlertAboutUs(code)) return "HTTP_REFUSED";
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") return "INTERNAL";
  return "CONNECT_FAILED";
}

/** Within the body: broken framing is odd; all else is a body that ends too soon. */
function cutCode(error: Error): ErrorCode {
  if (codeOf(error) === "ETIMEDOUT") return "HTTP_TIMEOUT";
  return isNoHttp(error) && !/EOF/.test(error.message) ? "HTTP_ODD" : "TRUNCATED";
}

/** undici's parser names its errors only by this: the codes of llhttp do not come through. */
function isNoHttp(error: Error): boolean {
  return error.name === "HTTPParserError";
}
