import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { Crowd } from "../../src/host/http/crowd.ts";
import type { Answer } from "../../src/host/http/exchange.ts";
import { type AskedHead, answerText, farClock, type TestClient } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const large = randomBytes(600_001).toString("latin1");

/** Serves no more than `most` requests at a time, each for 20 ms, and answers the others with `status`. */
function limited(most: number, status: number, fields: Record<string, string> = {}) {
  let underWay = 0;
  return (socket: Socket, { path, fields: asked }: AskedHead) => {
    if (underWay >= most) return void socket.write(answerText(status, fields, "too many"));
    underWay++;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? "") ?? [];
    const common = { "Accept-Ranges": "bytes", ETag: '"v1"' };
    setTimeout(() => {
      underWay--;
      if (path !== "/overlay") return void socket.write(answerText(200, common, `of ${path}`));
      if (first === undefined) return void socket.write(answerText(200, common, large), "latin1");
      const range = { ...common, "Content-Range": `bytes ${first}-${last}/${large.length}` };
      socket.write(answerText(206, range, large.slice(Number(first), Number(last) + 1)), "latin1");
    }, 20);
  };
}

const twenty = (http: TestClient, origin: string) =>
  Promise.all(Array.from({ length: 20 }, (_, index) => http.fetch(`${origin}/${index}`)));

describe("a server that allows an address only so many requests at a time", () => {
  test.each([503, 429])("and answers the others with %d gives all of them, one after the other", async (status) => {
    const web = await server(limited(3, status));
    const answers = await twenty(client(), web.origin);
    expect(answers.map(({ kind }) => kind)).toEqual(Array(20).fill("body"));
  });

  test.each([1, 4])("gives a large file in pieces, too, %d at a time", async (most) => {
    const web = await server(limited(most, 503));
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`);
    const spool = "/tmp/overlay";
    const all = [http.fetch(`${web.origin}/overlay`, { spool, size: large.length }), http.fetch(`${web.origin}/a`)];
    expect((await Promise.all(all)).map(({ kind }) => kind)).toEqual(["body", "body"]);
    expect(Buffer.from(http.disk.readBytes(spool, 1_000_000) ?? []).toString("latin1")).toBe(large);
  });

  test("and closes the connections of the others gives all of them", async () => {
    const web = await server(limited(100, 503));
    web.takeAtMost(2);
    const http = client();
    const answers = await Promise.all(["a", "b", "c", "d"].map((path) => http.fetch(`${web.origin}/${path}`)));
    expect(answers.map(({ kind }) => kind)).toEqual(Array(4).fill("body"));
  });

  test("and lets the others wait in vain before it refuses them gives all of them", async () => {
    let underWay = 0;
    const web = await server((socket, { path }) => {
      const isOneTooMany = ++underWay > 2;
      setTimeout(
        () => {
          underWay--;
          socket.write(isOneTooMany ? answerText(503) : answerText(200, {}, `of ${path}`));
        },
        isOneTooMany ? 200 : 20, // nothing else is under way by then
      );
    });
    const http = client();
    const answers = await Promise.all(["a", "b", "c", "d"].map((path) => http.fetch(`${web.origin}/${path}`)));
    expect(answers.map(({ kind }) => kind)).toEqual(Array(4).fill("body"));
  });

  test("and says until when is obeyed", async () => {
    const web = await server(limited(1, 503, { "Retry-After": "7" }));
    const http = client();
    const [first, second] = await Promise.allSettled([http.fetch(`${web.origin}/a`), http.fetch(`${web.origin}/b`)]);
    expect(first?.status).toBe("fulfilled");
    expect(second).toMatchObject({ reason: { code: "HTTP_UNAVAILABLE", retryAfter: 7 } });
    expect(web.asked).toHaveLength(2);
  });
});

test("a server that has too much to do for anybody is asked once by each, and once more by those that were not alone", async () => {
  const web = await server(limited(0, 503));
  const http = client();
  const all = await Promise.allSettled(["a", "b", "c", "d"].map((path) => http.fetch(`${web.origin}/${path}`)));
  expect(all.every((one) => one.status === "rejected" && one.reason.code === "HTTP_UNAVAILABLE")).toBe(true);
  expect(web.asked.length).toBeLessThanOrEqual(8);
});

test("whoever waits for the others' end stops when it is told to", async () => {
  const web = await server((socket, { path }) => {
    if (path !== "/a") socket.write(answerText(503));
  });
  const http = client({ headerSeconds: 3 });
  const stop = new AbortController();
  const slow = http.fetch(`${web.origin}/a`, { signal: stop.signal }).catch((thrown: unknown) => thrown);
  await expect.poll(() => web.asked.length).toBe(1);
  const waiting = http.fetch(`${web.origin}/b`, { signal: stop.signal }).catch((thrown: unknown) => thrown);
  await expect.poll(() => web.asked.length).toBe(2);
  stop.abort();
  for (const one of [slow, waiting]) expect(await one).toMatchObject({ code: "STOPPED" });
});

test("nobody waits for an end that nobody tells of: one that is stopped by another's failed connection wakes the next, too", async () => {
  const crowd = new Crowd();
  const never = new AbortController().signal;
  const busy = { status: 503, fields: {} } as unknown as Answer;
  const fine = { ...busy, status: 200 };
  const first = later();
  const stopped = later();
  const stop = new AbortController();
  const alone = crowd.ask(() => first.promise, never);
  const beside = crowd.ask(() => stopped.promise, stop.signal).catch((thrown: unknown) => thrown);
  let asked = 0;
  const refused = crowd.ask(async () => (++asked < 3 ? busy : fine), never);
  await expect.poll(() => asked).toBe(1);
  first.resolve(fine);
  await alone;
  await expect.poll(() => asked).toBe(2); // and waits for the other one now
  const failure = new ProvisionError("CONNECT_FAILED", "a piece of the same file has no connection");
  stop.abort(failure);
  stopped.reject(failure);
  expect(await beside).toBe(failure);
  expect(await refused).toBe(fine);
});

/** An answer that comes when it is told to. */
function later() {
  let settle: { resolve(answer: Answer): void; reject(thrown: unknown): void } | undefined;
  const promise = new Promise<Answer>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    resolve: (answer: Answer) => settle?.resolve(answer),
    reject: (thrown: unknown) => settle?.reject(thrown),
  };
}
