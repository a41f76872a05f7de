/** A real browser without a window, driven over a pipe by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/). */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

export interface Browser {
  open(uri: string, screen?: { width: number; height: number; isDark?: boolean; isPhone?: boolean }): Promise<Tab>;
  close(): Promise<void>;
}

export interface Tab {
  /** What the page asked for besides itself, and what it complained of: errors, refusals of its policy. */
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
  /** The expression's value, as JSON has it. */
  value(expression: string): Promise<unknown>;
  /** As if somebody pressed it; `key` as in `KeyboardEvent.key`. */
  press(key: string): Promise<void>;
  type(text: string): Promise<void>;
  screenshot(): Promise<Buffer>;
}

/** As Debian names it. */
export const BROWSER = "chromium";
/** No start-up look-ups: a closed network would have hundreds of them refused. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--remote-debugging-pipe",
];
const DEADLINE = 30_000;

type Message = Record<string, unknown>;

export async function openBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "uciprov-browser-"));
  const child = spawn(BROWSER, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const wire = new Wire(child.stdio[3] as Writable, child.stdio[4] as Readable);
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  child.on("error", (error) => wire.fail(error));
  return {
    async open(uri, screen = { width: 1200, height: 900 }) {
      const { targetId } = await wire.ask("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await wire.ask("Target.attachToTarget", { targetId, flatten: true });
      return openTab(wire, String(sessionId), uri, screen);
    },
    async close() {
      await wire.ask("Browser.close", {}).catch(() => undefined);
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(timer);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function openTab(
  wire: Wire,
  session: string,
  uri: string,
  screen: { width: number; height: number; isDark?: boolean; isPhone?: boolean },
): Promise<Tab> {
  const ask = (method: string, params: Message = {}) => wire.ask(method, params, session);
  const requests: string[] = [];
  const complaints: string[] = [];
  const loaded = new Promise<void>((resolve) => {
    wire.listen(session, (method, params) => {
      if (method === "Page.loadEventFired") resolve();
      if (method === "Network.requestWillBeSent") requests.push(JSON.stringify(params["request"]));
      if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params["exceptionDetails"]));
      if (method === "Log.entryAdded") complaints.push(JSON.stringify(params["entry"]));
      if (method === "Page.javascriptDialogOpening") complaints.push(`dialog ${JSON.stringify(params)}`);
    });
  });
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await ask(`${domain}.enable`);
  await ask("Emulation.setDeviceMetricsOverride", {
    width: screen.width,
    height: screen.height,
    deviceScaleFactor: 1,
    mobile: screen.isPhone ?? false,
  });
  const scheme = screen.isDark ? "dark" : "light";
  await ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await ask("Page.navigate", { url: uri });
  await loaded;
  return {
    requests,
    complaints,
    async value(expression) {
      const answer = await ask("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
      if (answer["exceptionDetails"]) throw new Error(JSON.stringify(answer["exceptionDetails"]));
      const { value }: Message = { value: undefined, ...(answer["result"] as Message) };
      return value;
    },
    async press(key) {
      const code = { Enter: 13, Tab: 9, Escape: 27, " ": 32 }[key] ?? key.charCodeAt(0);
      const text = key === "Enter" ? "\r" : key.length === 1 ? key : undefined;
      const about = { key, windowsVirtualKeyCode: code, ...(text === undefined ? {} : { text }) };
      await ask("Input.dispatchKeyEvent", { type: "keyDown", ...about });
      await ask("Input.dispatchKeyEvent", { type: "keyUp", key, windowsVirtualKeyCode: code });
    },
    async type(text) {
      await ask("Input.insertText", { text });
    },
    async screenshot() {
      const { data } = await ask("Page.captureScreenshot", { format: "png" });
      return Buffer.from(String(data), "base64");
    },
  };
}

/** Messages end in a zero byte; answers find their question by its number. */
class Wire {
  private last = 0;
  private readonly waiting = new Map<number, { resolve(answer: Message): void; reject(error: Error): void }>();
  private readonly listeners = new Map<string, (method: string, params: Message) => void>();
  private readonly out: Writable;
  private broken: Error | undefined;

  constructor(out: Writable, from: Readable) {
    this.out = out;
    let rest = Buffer.alloc(0);
    out.on("error", (error) => this.fail(error));
    from.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
        this.take(JSON.parse(rest.subarray(0, end).toString("utf8")));
        rest = rest.subarray(end + 1);
      }
    });
    from.on("close", () => this.fail(new Error("the browser has ended")));
  }

  ask(method: string, params: Message, sessionId?: string): Promise<Message> {
    if (this.broken) return Promise.reject(this.broken);
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer in ${DEADLINE} ms`)), DEADLINE);
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.out.write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`);
    });
  }

  listen(session: string, on: (method: string, params: Message) => void): void {
    this.listeners.set(session, on);
  }

  fail(error: Error): void {
    this.broken = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  private take(message: Message): void {
    const { id, error, result, method, params, sessionId } = message;
    if (typeof id === "number") {
      const asked = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) asked?.reject(new Error(JSON.stringify(error)));
      else asked?.resolve((result ?? {}) as Message);
    } else this.listeners.get(String(sessionId))?.(String(method), (params ?? {}) as Message);
  }
}
