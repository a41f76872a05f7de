import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always, answerText, farClock, type TestClient } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const many = (http: TestClient, origin: string) =>
  Promise.all(Array.from({ length: 12 }, (_, index) => http.fetch(`${origin}/${index}`)));

describe("connections for what follows", () => {
  test("are opened to a far server while the request that says so is answered, and used then", async () => {
    const web = await server((socket) => void setTimeout(() => socket.write(answerText(200, {}, "x")), 100));
    const http = client({}, true, undefined, farClock());
    const first = http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    await expect.poll(() => web.opened()).toBe(7);
    await first;
    await many(http, web.origin);
    expect(web.opened()).toBe(8);
    expect(new Set(web.asked.map(({ connection }) => connection)).size).toBe(8);
  });

  test("are no more than what is to follow", async () => {
    const web = await server(always(200, {}, "x"));
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 2 });
    await expect.poll(() => web.opened()).toBe(3);
  });

  test("are not opened to a near server, nor without a word of what follows", async () => {
    const near = await server(always(200, {}, "x"));
    await client().fetch(`${near.origin}/MANIFEST`, { more: 12 });
    const far = await server(always(200, {}, "x"));
    await client({}, true, undefined, farClock()).fetch(`${far.origin}/MANIFEST`);
    await sleep(50);
    expect([near.opened(), far.opened()]).toEqual([1, 1]);
  });

  test("over TLS prove the server as any other does", async () => {
    const tls = makeAuthority("Waiting CA");
    const web = await server(always(200, {}, "x"), tls.issue({ names: ["localhost"] }));
    const http = client({ ca: [tls.cert] }, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    const answers = await many(http, web.origin);
    expect(answers.map(({ transport }) => transport.proof.kind)).toEqual(new Array(12).fill("ca"));
    expect(web.opened()).toBeLessThanOrEqual(8);
  });

  test("that the server has closed meanwhile are opened anew, and nobody is told", async () => {
    const web = await server((socket, { path }) => {
      socket.write(answerText(200, {}, "x"));
      if (path === "/MANIFEST") web.closeIdle();
    });
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    await sleep(50);
    expect((await many(http, web.origin)).every(({ kind }) => kind === "body")).toBe(true);
  });

  test("that the server closes at the very moment they are used count as closed while idle", async () => {
    let used = 0;
    const web = await server((socket, { path, connection }) => {
      if (path !== "/MANIFEST" && connection > 0 && used++ < 3) socket.destroy();
      else socket.write(answerText(200, {}, "x"));
    });
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    await sleep(50);
    expect((await many(http, web.origin)).every(({ kind }) => kind === "body")).toBe(true);
    expect(used).toBeGreaterThanOrEqual(3);
  });

  test("that cannot be opened are no failure: a server that takes three at a time serves all", async () => {
    const web = await server(always(200, {}, "x"));
    web.takeAtMost(3);
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    await expect.poll(() => web.opened()).toBe(3);
    const answers = [];
    for (let time = 0; time < 5; time++) answers.push(await http.fetch(`${web.origin}/${time}`));
    expect(answers.every(({ kind }) => kind === "body")).toBe(true);
  });

  test("end with the client that opened them, used or not", async () => {
    const web = await server(always(200, {}, "x"));
    const http = client({}, true, undefined, farClock());
    await http.fetch(`${web.origin}/MANIFEST`, { more: 12 });
    await expect.poll(() => web.open()).toBe(7);
    await http.close();
    await expect.poll(() => web.open()).toBe(0);
  });
});
