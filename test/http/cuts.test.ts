import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always, answerText } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const CUT = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";

describe("a connection", () => {
  test("that is refused is CONNECT_FAILED and names the URI and the phase", async () => {
    const web = await server(always(200));
    await web.close();
    const error: unknown = await client()
      .fetch(`${web.origin}/MANIFEST`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "CONNECT_FAILED",
      message: `fetching ${web.origin}/MANIFEST: connecting to 127.0.0.1:${web.port}: nothing listens there (ECONNREFUSED)`,
    });
  });

  test("to a name that does not exist is DNS_FAILED or, where no name server is reachable, DNS_TIMEOUT", async () => {
    const asking = client({ connectSeconds: 15, totalSeconds: 20 }).fetch("http://no-such-name.invalid/");
    await expect(asking).rejects.toMatchObject({
      code: expect.stringMatching(/^DNS_(FAILED|TIMEOUT)$/),
      exit: "try-later",
    });
  });

  test.each([
    ["closed without a word", (end: () => void, _reset: () => void) => end()],
    ["reset without a word", (_end: () => void, reset: () => void) => reset()],
  ])("%s is CONNECT_FAILED", async (_how, act) => {
    const web = await server((socket) =>
      act(
        () => void socket.end(),
        () => void socket.resetAndDestroy(),
      ),
    );
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });

  test("closed in the middle of the header is CONNECT_FAILED", async () => {
    const web = await server((socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Le"));
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ exit: "try-later" });
  });

  test("closed during the handshake of TLS is CONNECT_FAILED, one that never shakes hands HTTP_TIMEOUT", async () => {
    const silent = createServer((socket) => void socket.on("error", () => undefined).on("data", () => undefined));
    const rude = createServer(
      (socket) => void socket.on("error", () => undefined).once("data", () => socket.destroy()),
    );
    const ports = await Promise.all(
      [silent, rude].map(async (one) => {
        await new Promise<void>((done) => one.listen(0, "127.0.0.1", done));
        const address = one.address();
        return typeof address === "object" ? address?.port : 0;
      }),
    );
    try {
      const http = client({ connectSeconds: 0.5 });
      await expect(http.fetch(`https://127.0.0.1:${ports[0]}/`)).rejects.toMatchObject({ code: "HTTP_TIMEOUT" });
      await expect(http.fetch(`https://127.0.0.1:${ports[1]}/`)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    } finally {
      silent.close();
      rude.close();
    }
  });
});

describe("a body that ends too soon", () => {
  test.each([
    ["by a close", (socket: Socket) => void socket.end(`${CUT}abc`)],
    [
      "by a reset",
      (socket: Socket) => void socket.write(`${CUT}abc`, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ],
    [
      "within a chunk",
      (socket: Socket) => void socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    ],
    [
      "before the last chunk, where the connection was to close anyway",
      (socket: Socket) =>
        void socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ],
  ])("%s is TRUNCATED", async (_how, act) => {
    const web = await server((socket) => act(socket));
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "TRUNCATED", exit: "try-later" });
  });
});

describe("a slow server", () => {
  test.each([
    ["says nothing", "", "no sign of the head of the answer for 0.4 s"],
    [
      "sends interim answers for ever",
      "HTTP/1.1 102 Processing\r\n\r\n",
      "no sign of the head of the answer for 0.4 s",
    ],
    ["stops within its header", "HTTP/1.1 200 OK\r\nContent", "no sign of the head of the answer for 0.4 s"],
    ["stops before its body", CUT, "no sign of more of the body for 0.4 s"],
    ["stops within its body", `${CUT}abc`, "no sign of more of the body for 0.4 s"],
  ])("that %s is HTTP_TIMEOUT", async (_what, bytes, words) => {
    const web = await server((socket) => {
      socket.write(bytes);
      if (!bytes.includes("102")) return;
      const timer = setInterval(() => socket.write(bytes), 50);
      socket.on("close", () => clearInterval(timer));
    });
    const begun = performance.now();
    await expect(client().fetch(web.origin)).rejects.toMatchObject({
      code: "HTTP_TIMEOUT",
      message: `fetching ${web.origin}/: ${words}`,
    });
    expect(performance.now() - begun).toBeLessThan(1500);
  });

  test("that drips its body forever ends at the bound on the whole", async () => {
    const web = await server((socket) => {
      socket.write(CUT);
      const timer = setInterval(() => socket.write("x"), 50);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(client({ totalSeconds: 1 }).fetch(web.origin)).rejects.toMatchObject({
      code: "HTTP_TIMEOUT",
      message: `fetching ${web.origin}/: not done within 1 s`,
    });
  });

  test("that never ends the body of a 404 has said enough", async () => {
    const web = await server((socket) => void socket.write("HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nx"));
    expect(await client().fetch(web.origin)).toMatchObject({ kind: "absent" });
  });
});

describe("being asked to stop", () => {
  const stopping = async (uri: string, after: number, more = {}) => {
    const control = new AbortController();
    const http = client();
    const asking = http.fetch(uri, { signal: control.signal, ...more });
    const outcome = asking.catch((thrown: unknown) => thrown);
    await sleep(after);
    const begun = performance.now();
    control.abort();
    expect(await outcome).toMatchObject({ code: "STOPPED" });
    expect(performance.now() - begun).toBeLessThan(200);
    return http;
  };

  test.each([
    ["while the server thinks", ""],
    ["within the body", `${CUT}abc`],
  ])("%s closes the connection at once", async (_when, bytes) => {
    const web = await server((socket) => void socket.write(bytes));
    await stopping(web.origin, 150);
    await sleep(50);
    expect(web.open()).toBe(0);
  });

  test("while connecting and shaking hands is obeyed, and close() leaves nothing", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.on("error", () => undefined).resume()));
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const address = silent.address();
    try {
      const http = await stopping(`https://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`, 150);
      await http.close();
      await sleep(50);
      expect(sockets.map((socket) => socket.readableEnded || socket.destroyed)).toEqual([true]);
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });

  test("before anything was asked asks nothing", async () => {
    const web = await server(always(200));
    await expect(client().fetch(web.origin, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "STOPPED",
    });
    expect(web.opened()).toBe(0);
  });

  test("while waiting for a free connection is obeyed", async () => {
    const web = await server(() => undefined);
    const http = client({ headerSeconds: 3 });
    const control = new AbortController();
    const waiting = Array.from({ length: 12 }, () =>
      http.fetch(web.origin, { signal: control.signal }).catch((thrown: unknown) => thrown),
    );
    await sleep(200);
    control.abort();
    const outcomes = await Promise.all(waiting);
    expect(outcomes.map((outcome) => outcome instanceof Error && "code" in outcome && outcome.code)).toEqual(
      new Array(12).fill("STOPPED"),
    );
    await sleep(50);
    expect(web.asked).toHaveLength(11);
  });
});

describe("connections", () => {
  test("are kept: ten fetches one after another use one", async () => {
    const tls = makeAuthority("Keeping CA");
    const web = await server(always(200, {}, "x"), tls.issue({ names: ["localhost"] }));
    const http = client({ ca: [tls.cert] });
    for (let time = 0; time < 10; time++) await http.fetch(`${web.origin}/${time}`);
    expect(web.opened()).toBe(1);
  });

  test("are kept after a 404, a 304 and a redirection, too", async () => {
    const statuses = [404, 304, 302, 200];
    const web = await server((socket, _asked, index) => {
      socket.write(answerText(statuses[index] ?? 500, { Location: "/there" }, ""));
    });
    const http = client();
    for (let time = 0; time < 3; time++) await http.fetch(`${web.origin}/${time}`, { etag: '"1"' });
    expect(web.asked).toHaveLength(4);
    expect(web.opened()).toBe(1);
  });

  test("are at most eleven to one server, however much is asked at once", async () => {
    const web = await server((socket) => void setTimeout(() => socket.write(answerText(200, {}, "x")), 30));
    const http = client();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => http.fetch(`${web.origin}/${index}`)));
    expect(answers.every((answer) => answer.kind === "body")).toBe(true);
    expect(web.opened()).toBe(11);
  });

  test("that fail leave nobody waiting, however many asked at once", async () => {
    const gone = await server(always(200));
    await gone.close();
    const untrusted = await server(always(200), makeAuthority("Nobody").issue({ names: ["localhost"] }));
    const rude = await server((socket) => void socket.destroy());
    const http = client({ totalSeconds: 20 });
    const begun = performance.now();
    for (const { origin } of [gone, untrusted, rude]) {
      const asking = Array.from({ length: 20 }, (_, index) => http.fetch(`${origin}/${index}`));
      const outcomes = await Promise.allSettled(asking);
      expect(outcomes.map(({ status }) => status)).toEqual(new Array(20).fill("rejected"));
    }
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test("to a server that comes back are opened again by the same client", async () => {
    let isDown = true;
    const web = await server((socket) => (isDown ? socket.destroy() : socket.write(answerText(200, {}, "x"))));
    const http = client();
    const all = () =>
      Promise.allSettled(Array.from({ length: 10 }, (_, index) => http.fetch(`${web.origin}/${index}`)));
    expect((await all()).every(({ status }) => status === "rejected")).toBe(true);
    isDown = false;
    expect((await all()).every(({ status }) => status === "fulfilled")).toBe(true);
  });

  test("that a server closed in the meantime are not held against it", async () => {
    const web = await server((socket, { connection }, index) => {
      if (index === 0) socket.write(answerText(200, {}, "first"));
      else if (connection === 0) socket.destroy();
      else socket.write(answerText(200, {}, "second"));
    });
    const http = client();
    await http.fetch(`${web.origin}/1`);
    expect(await http.fetch(`${web.origin}/2`)).toMatchObject({ kind: "body", size: 6 });
    expect(web.asked.map(({ path }) => path)).toEqual(["/1", "/2", "/2"]);
  });

  test("that a server always closes are given up soon", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/1") socket.write(answerText(200, {}, "first"));
      else socket.destroy();
    });
    const http = client();
    await http.fetch(`${web.origin}/1`);
    await expect(http.fetch(`${web.origin}/2`)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    expect(web.asked).toHaveLength(3);
  });

  test("are all closed by close(), which ends what is still going on and can be called twice", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/1") socket.write(answerText(200, {}, "x"));
    });
    const http = client({ headerSeconds: 5 });
    await http.fetch(`${web.origin}/1`);
    const going = http.fetch(`${web.origin}/2`).catch((thrown: unknown) => thrown);
    await sleep(50);
    await http.close();
    expect(await going).toBeInstanceOf(Error);
    await sleep(50);
    expect(web.open()).toBe(0);
  });
});
