import { describe, expect, test } from "vitest";
import type { Http } from "../../src/api.ts";
import type { RunContext } from "../../src/context.ts";
import { ProvisionError } from "../../src/errors.ts";
import { lastWords } from "../../src/last-words.ts";
import { openOutbox } from "../../src/outbox.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";

const URI = "https://noc.example/reports";
const FLASH = "/etc/uciprov/state/reports";
const RAM = "/var/run/uciprov/reports";

type Answer = { status: number; retryAfter?: number } | Error;

/** A receiver that answers in turn, then always with the last. */
function aScene(answers: readonly Answer[], more: Partial<RunContext> = {}) {
  const got: { id: string | undefined; body: unknown }[] = [];
  let turn = 0;
  const http: Http = {
    get: async () => Promise.reject(new Error("no GET")),
    close: async () => undefined,
    async post({ body, headers }) {
      const answer = answers[Math.min(turn++, answers.length - 1)] ?? { status: 204 };
      if (answer instanceof Error) throw answer;
      got.push({ id: headers?.["idempotency-key"], body: JSON.parse(Buffer.from(body).toString()) });
      return { status: answer.status, retryAfter: answer.retryAfter };
    },
  };
  const clock = aClock();
  const ctx = aRunContext({ openHttp: () => http, clock, ...more });
  const { settings } = aDevice();
  const deliver = async () => {
    openOutbox(ctx, settings).deliver(URI);
    await lastWords();
  };
  return { ctx, clock, got, deliver, outbox: openOutbox(ctx, settings), again: () => openOutbox(ctx, settings) };
}

const letter = (id: string, isDurable = false, about?: string) => ({
  id,
  body: { id },
  isDurable,
  ...(about === undefined ? {} : { about }),
});

describe("letters", () => {
  test("are delivered in their order, each with its id, and gone then", async () => {
    const { got, outbox, deliver, clock } = aScene([{ status: 200 }]);
    for (const id of ["one", "two"]) {
      outbox.put(letter(id));
      clock.advance(1000);
    }
    await deliver();
    expect(got).toEqual([
      { id: "one", body: { id: "one" } },
      { id: "two", body: { id: "two" } },
    ]);
    expect(outbox.isEmpty).toBe(true);
    outbox.put(letter("one"));
    expect(outbox.isEmpty).toBe(true);
  });

  test("of one moment keep their order, whatever they are called", async () => {
    const { got, outbox, deliver } = aScene([{ status: 200 }]);
    const ids = ["f", "a", "e", "b", "d", "c"];
    for (const id of ids) outbox.put(letter(id));
    await deliver();
    expect(got.map(({ id }) => id)).toEqual(ids);
  });

  test("wait while nobody answers, and are sent again under the same id", async () => {
    const down = new ProvisionError("CONNECT_FAILED", "nobody");
    const { got, outbox, deliver } = aScene([down, { status: 503 }, { status: 204 }]);
    outbox.put(letter("one"));
    await deliver();
    await deliver();
    expect(outbox.isEmpty).toBe(false);
    await deliver();
    expect(outbox.isEmpty).toBe(true);
    expect(got.map(({ id }) => id)).toEqual(["one", "one"]);
  });

  test("are not sent before the time a server asked for", async () => {
    const { got, outbox, deliver, clock } = aScene([{ status: 429, retryAfter: 120 }, { status: 204 }]);
    outbox.put(letter("one"));
    await deliver();
    clock.advance(60_000);
    await deliver();
    expect(got).toHaveLength(1);
    clock.advance(61_000);
    await deliver();
    expect(got).toHaveLength(2);
    expect(outbox.isEmpty).toBe(true);
  });

  test("that the server refuses are dropped, and a redirection is no delivery", async () => {
    for (const status of [400, 404, 302]) {
      const { outbox, deliver, got } = aScene([{ status }]);
      outbox.put(letter("one"));
      await deliver();
      await deliver();
      expect(got).toHaveLength(1);
      expect(outbox.isEmpty).toBe(true);
    }
  });

  test("touch flash only if they are durable, and never more than 16 kB of it; the oldest give way", () => {
    const { ctx, outbox, clock } = aScene([]);
    outbox.put(letter("light"));
    expect(ctx.disk.stat("/etc/uciprov")).toBeUndefined();
    for (let i = 0; i < 40; i++) {
      outbox.put({ id: `big-${i}`, body: { text: "x".repeat(3000) }, isDurable: true });
      clock.advance(1000);
    }
    const names = ctx.disk.list(FLASH);
    const bytes = names.reduce((sum, name) => sum + (ctx.disk.stat(`${FLASH}/${name}`)?.size ?? 0), 0);
    expect(bytes).toBeLessThanOrEqual(16_384);
    expect(names.at(-1)).toContain("big-39");
    for (let i = 0; i < 40; i++) {
      outbox.put({ id: `ram-${i}`, body: { text: "x".repeat(10_000) }, isDurable: false });
      clock.advance(1000);
    }
    const inRam = ctx.disk.list(RAM).reduce((sum, name) => sum + (ctx.disk.stat(`${RAM}/${name}`)?.size ?? 0), 0);
    expect(inRam).toBeLessThanOrEqual(65_536);
  });

  test("durable ones are there after a boot, and told once: a boot does not tell the last again", async () => {
    const { ctx, outbox, again, deliver, got } = aScene([{ status: 204 }]);
    outbox.put(letter("taken-back-1", true));
    expect(again().isEmpty).toBe(false);
    await deliver();
    expect(got).toHaveLength(1);
    for (const name of ctx.disk.list("/var/run/uciprov"))
      if (ctx.disk.stat(`/var/run/uciprov/${name}`)?.kind === "file") ctx.disk.unlink(`/var/run/uciprov/${name}`);
    again().put(letter("taken-back-1", true));
    expect(again().isEmpty).toBe(true);
  });

  test("that say what the last one said are dropped, until something else was said", () => {
    const { ctx, outbox } = aScene([]);
    outbox.put(letter("a", false, "down"));
    outbox.put(letter("b", false, "down"));
    expect(ctx.disk.list(RAM)).toHaveLength(1);
    outbox.put(letter("c", false, "up"));
    outbox.put(letter("d", false, "down"));
    expect(ctx.disk.list(RAM)).toHaveLength(3);
  });

  test("never fail anybody: a disk that is full, an id that is none, a body too large, a dry run", () => {
    const { ctx, outbox } = aScene([]);
    for (const id of ["../../etc/passwd", "", "A", "x".repeat(65)]) outbox.put(letter(id));
    outbox.put({ id: "huge", body: { text: "x".repeat(100_000) }, isDurable: true });
    expect(outbox.isEmpty).toBe(true);
    const dry = openOutbox({ ...ctx, choices: { isForced: false, isDry: true } }, aDevice().settings);
    dry.put(letter("dry"));
    expect(outbox.isEmpty).toBe(true);
    const full = {
      ...ctx.disk,
      writeNew: () => {
        throw new ProvisionError("NO_SPACE", "full");
      },
    };
    openOutbox({ ...ctx, disk: full }, aDevice().settings).put(letter("one", true));
  });
});
