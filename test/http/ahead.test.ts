import dns from "node:dns";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always, answerText, farClock, type TestClient } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const far = (settings: Parameters<typeof client>[0] = {}) => client(settings, true, undefined, farClock());
const twenty = (http: TestClient, origin: string) =>
  Promise.all(Array.from({ length: 20 }, (_, index) => http.fetch(`${origin}/${index}`)));

/** Waits until so many have been opened: loading the client takes its time. */
const opened = (web: { opened(): number }, count: number) =>
  expect.poll(() => web.opened(), { timeout: 5_000 }).toBe(count);

describe.each([
  ["near", () => client()],
  ["far", () => far()],
])("connections that are expected to a %s server", (_how, make) => {
  test("are opened before they are asked for, no more than twelve, and used then", async () => {
    const web = await server((socket) => void setTimeout(() => socket.write(answerText(200, {}, "x")), 30));
    const http = make();
    http.expect(`${web.origin}/tree`, 20);
    await opened(web, 12);
    expect(web.asked).toEqual([]);
    await twenty(http, web.origin);
    expect(web.opened()).toBe(12);
    expect(new Set(web.asked.map(({ connection }) => connection)).size).toBe(11); // the twelfth is for what queues
  });

  test("are no more than what is expected", async () => {
    const web = await server(always(200, {}, "x"));
    make().expect(web.origin, 3);
    await opened(web, 3);
    await sleep(50);
    expect(web.opened()).toBe(3);
  });

  test("share the look-up of the server's name", async () => {
    const web = await server(always(200, {}, "x"));
    const lookup = vi.spyOn(dns, "lookup");
    try {
      make().expect(web.origin.replace("127.0.0.1", "localhost"), 9);
      await opened(web, 9);
      expect(lookup.mock.calls.map(([name]) => name)).toEqual(["localhost"]);
    } finally {
      lookup.mockRestore();
    }
  });

  test("are no more for being expected again", async () => {
    const web = await server(always(200, {}, "x"));
    const http = make();
    for (let time = 0; time < 3; time++) http.expect(web.origin, 3);
    await opened(web, 3);
    await sleep(50);
    expect(web.opened()).toBe(3);
    http.expect(web.origin, 5);
    await opened(web, 5);
  });

  test("are taken by whoever asks while they are being opened", async () => {
    const web = await server(always(200, {}, "x"));
    const http = make();
    http.expect(web.origin, 3);
    expect(await http.fetch(web.origin)).toMatchObject({ kind: "body" });
    expect(web.opened()).toBe(3);
  });

  test("and that the server has closed meanwhile are opened anew, and nobody is told", async () => {
    const web = await server(always(200, {}, "x"));
    const http = make();
    http.expect(web.origin, 9);
    await opened(web, 9);
    web.closeIdle();
    await sleep(50);
    expect((await twenty(http, web.origin)).every(({ kind }) => kind === "body")).toBe(true);
  });

  test("and that the server closes when they are used count as closed while idle", async () => {
    let used = 0;
    const web = await server((socket) => {
      if (used++ < 3) socket.destroy();
      else socket.write(answerText(200, {}, "x"));
    });
    const http = make();
    http.expect(web.origin, 9);
    await opened(web, 9);
    await sleep(50);
    expect((await twenty(http, web.origin)).every(({ kind }) => kind === "body")).toBe(true);
  });

  test("and that cannot be opened are no failure: a server that takes three at a time serves all", async () => {
    const web = await server(always(200, {}, "x"));
    web.takeAtMost(3);
    const http = make();
    http.expect(web.origin, 12);
    await opened(web, 3);
    for (let time = 0; time < 5; time++) expect(await http.fetch(web.origin)).toMatchObject({ kind: "body" });
  });

  test("end with the client that opened them, used or not", async () => {
    const web = await server(always(200, {}, "x"));
    const http = make();
    http.expect(web.origin, 7);
    await opened(web, 7);
    await http.fetch(web.origin);
    await http.close();
    await expect.poll(() => web.open()).toBe(0);
    http.expect(web.origin, 7);
    await sleep(50);
    expect(web.opened()).toBe(7);
  });
});

test("more connections than twelve that turn out to be closed are asked over again: the kept ones, and those that wait", async () => {
  let isUp = true;
  const web = await server((socket, { connection }) => {
    if (isUp || connection >= 22) setTimeout(() => socket.write(answerText(200, {}, "x")), 30);
    else socket.destroy();
  });
  const http = far();
  await twenty(http, web.origin);
  http.expect(web.origin, 11);
  await opened(web, 22);
  await sleep(50);
  isUp = false;
  expect(await http.fetch(web.origin)).toMatchObject({ kind: "body" });
});

describe("TLS that is expected", () => {
  const tls = makeAuthority("Waiting CA");
  const serving = () => server(always(200, {}, "x"), tls.issue({ names: ["localhost"] }));

  test.each([
    ["is made ready with a far server", far, 11],
    ["is left to whoever asks with a near server", client, 0],
  ])("%s", async (_what, make, ready) => {
    const web = await serving();
    const http = make({ ca: [tls.cert] });
    http.expect(web.origin, 11);
    await opened(web, 11);
    await sleep(100);
    expect(web.open()).toBe(ready);
    const answers = await twenty(http, web.origin);
    expect(answers.map(({ transport }) => transport.proof.kind)).toEqual(new Array(20).fill("ca"));
    expect(web.opened()).toBe(11);
  });

  test.each([
    ["far", far],
    ["near", client],
  ])("with a server that nobody vouches for is refused to whoever asks, near and far: %s", async (_how, make) => {
    const web = await serving();
    const http = make();
    http.expect(web.origin, 2);
    await opened(web, 2);
    await sleep(50);
    await expect(http.fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test("and is under way when its client is closed is not begun anew on another connection", async () => {
    const web = await server(() => undefined);
    const origin = web.origin.replace("http:", "https:"); // it will never answer TLS
    const http = client();
    http.expect(origin, 1);
    await opened(web, 1);
    await sleep(50);
    const coming = http.fetch(origin).catch((thrown: unknown) => thrown);
    await sleep(50);
    await http.close();
    await coming;
    await sleep(50);
    expect(web.opened()).toBe(1);
    await expect.poll(() => web.open()).toBe(0);
  });

  test("tries the next set of CAs where the first does not know the server", async () => {
    const web = await serving();
    const http = far({ ca: [makeAuthority("Another CA").cert, tls.cert] });
    http.expect(web.origin, 4);
    expect(await http.fetch(web.origin)).toMatchObject({ transport: { proof: { kind: "ca" } } });
  });
});
