import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type AskedHead, answerText, farClock, type RawServer, type TestClient } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const far = () => client({}, true, undefined, farClock());
const STEADY = { "Accept-Ranges": "bytes" };
const NAMES = ["a", "b", "c", "d", "e", "f"];

const warnings: string[] = [];
const onWarning = (warning: Error) => void warnings.push(warning.message);
process.on("warning", onWarning);
afterEach(() => {
  expect(warnings).toEqual([]);
});

/** Answers MANIFEST at once, and what comes after it only when all of it has been asked for, in the order of the questions on each connection. */
function patient(count: number, bend: (socket: Socket, head: AskedHead) => boolean = () => false) {
  const waiting: [Socket, AskedHead][] = [];
  return (socket: Socket, head: AskedHead) => {
    if (head.path === "/MANIFEST") return void socket.write(answerText(200, STEADY, "list"));
    if (bend(socket, head)) return;
    waiting.push([socket, head]);
    if (waiting.length < count) return;
    for (const [asker, asked] of waiting.splice(0)) asker.write(answerText(200, STEADY, `of ${asked.path}`));
  };
}

async function fetchSmall(http: TestClient, web: RawServer, size: number | "untold" = 10) {
  await http.fetch(`${web.origin}/MANIFEST`);
  const asked = NAMES.map((name) => http.fetch(`${web.origin}/${name}`, size === "untold" ? {} : listed(name, size)));
  return await Promise.all(asked);
}

/** What a manifest says of it. */
function listed(name: string, size = 10) {
  return { size, sha256: createHash("sha256").update(`of /${name}`).digest("hex") };
}

const texts = (answers: readonly { kind: string }[]) =>
  answers.map((answer) => ("bytes" in answer ? Buffer.from(answer.bytes as Uint8Array).toString() : answer.kind));
const expected = NAMES.map((name) => `of /${name}`);
const connections = (web: RawServer) => new Set(web.asked.slice(1).map(({ connection }) => connection)).size;

describe("small files of a far server", () => {
  test("are asked for one behind the other on one connection, before the first answer", async () => {
    const web = await server(patient(NAMES.length));
    expect(texts(await fetchSmall(far(), web))).toEqual(expected);
    expect(connections(web)).toBe(1);
    expect(web.asked.slice(1).map(({ path }) => path)).toEqual(NAMES.map((name) => `/${name}`));
  });

  test.each([
    ["near", () => client(), STEADY, 10],
    ["one that gives no parts", far, {}, 10],
    ["one that closes its connections", far, { ...STEADY, Connection: "close" }, 10],
    ["one whose manifest tells no sizes", far, STEADY, "untold" as const],
  ])("each have a connection of their own, of a server that is %s", async (_what, make, fields, size) => {
    const web = await server((socket, { path }) => {
      setTimeout(() => socket.write(answerText(200, fields, `of ${path}`)), path === "/MANIFEST" ? 0 : 50);
    });
    expect(texts(await fetchSmall(make(), web, size))).toEqual(expected);
    expect(connections(web)).toBe(NAMES.length);
  });

  test("are not queued beyond what one connection brings in two round trips", async () => {
    const web = await server(patient(NAMES.length));
    expect(texts(await fetchSmall(far(), web, 15_000))).toEqual(expected);
    expect(connections(web)).toBe(NAMES.length - 1); // two of 15 kB fit, and each other has its own
  });

  test.each([
    ["is closed behind the first", (socket: Socket) => socket.end(answerText(200, STEADY, "of /a"))],
    ["is cut in the midst of an answer", (socket: Socket) => socket.end(answerText(200, STEADY, "of /a").slice(0, -2))],
    ["is refused by something on the way", (socket: Socket) => socket.end(answerText(400, {}, "no queues here"))],
    ["is answered by nobody", () => undefined],
  ])("come all the same if the queue %s", async (_what, spoil) => {
    let isSpoilt = false;
    const web = await server((socket, head) => {
      if (head.path === "/MANIFEST") return void socket.write(answerText(200, STEADY, "list"));
      if (isSpoilt && connectionOfQueue === head.connection) return;
      if (isSpoilt) return void socket.write(answerText(200, STEADY, `of ${head.path}`));
      isSpoilt = true;
      connectionOfQueue = head.connection;
      spoil(socket);
    });
    let connectionOfQueue = -1;
    expect(texts(await fetchSmall(far(), web))).toEqual(expected);
  });

  test("one of which is too large costs the others nothing", async () => {
    const web = await server((socket, { path }) => {
      socket.write(answerText(200, STEADY, path === "/a" ? "x".repeat(2_000_000) : `of ${path}`));
    });
    const http = far();
    await http.fetch(`${web.origin}/MANIFEST`, { limit: 2_500_000 });
    const all = await Promise.allSettled(NAMES.map((name) => http.fetch(`${web.origin}/${name}`, listed(name))));
    expect(all.map(({ status }) => status)).toEqual(["rejected", ...NAMES.slice(1).map(() => "fulfilled")]);
  });

  test("that are not there are absent, and asked for once more without a queue", async () => {
    const web = await server((socket, { path }) => {
      socket.write(path === "/MANIFEST" ? answerText(200, STEADY, "list") : answerText(404));
    });
    expect(texts(await fetchSmall(far(), web))).toEqual(NAMES.map(() => "absent"));
    expect(web.asked.length).toBeLessThanOrEqual(1 + 2 * NAMES.length);
  });

  test("whose answers come in another order are asked for again, each alone", async () => {
    const queued: string[] = [];
    let queue = -1;
    const web = await server((socket, { path, connection }) => {
      if (path === "/MANIFEST") return void socket.write(answerText(200, STEADY, "list"));
      if (queue === -1) queue = connection;
      if (connection !== queue) return void socket.write(answerText(200, STEADY, `of ${path}`));
      queued.push(path);
      if (queued.length < NAMES.length) return;
      for (const asked of queued.reverse()) socket.write(answerText(200, STEADY, `of ${asked}`));
    });
    expect(texts(await fetchSmall(far(), web))).toEqual(expected);
  });

  test("are not kept by a connection that never stands, once for all of them", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/MANIFEST") web.takeAtMost(1);
      socket.write(answerText(200, STEADY, path === "/MANIFEST" ? "list" : `of ${path}`));
    });
    const http = far();
    await http.fetch(`${web.origin}/MANIFEST`);
    const began = Date.now();
    const asked = NAMES.map((name) => http.fetch(`${web.origin}/${name}`, listed(name)));
    expect(texts(await Promise.all(asked))).toEqual(expected);
    expect(Date.now() - began).toBeLessThan(1_500);
  });

  test("end with whoever stops them", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/MANIFEST") socket.write(answerText(200, STEADY, "list"));
    });
    const http = far();
    await http.fetch(`${web.origin}/MANIFEST`);
    const stop = new AbortController();
    const asked = NAMES.map((name) => http.fetch(`${web.origin}/${name}`, { ...listed(name), signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    const all = await Promise.allSettled(asked);
    expect(all.every((one) => one.status === "rejected" && one.reason.code === "STOPPED")).toBe(true);
    expect(web.asked).toHaveLength(1 + NAMES.length);
  });
});
