import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Disk } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { clock } from "../../src/host/clock.ts";
import { openHttp } from "../../src/host/http.ts";
import { type AskedHead, always, answerText } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const SPOOL = "/tmp/overlay.tar.gz";
const large = randomBytes(200_000).toString("latin1");
const sha256 = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");
const stored = (disk: Disk) => {
  const bytes = disk.readBytes(SPOOL);
  return bytes && Buffer.from(bytes).toString("latin1");
};

/** Serves `body` under `tag` as nginx would, with ranges, but cuts the connection after so many bytes of each answer. */
function cutting(cuts: number[], body = large, tag = '"v1"') {
  return (socket: Socket, { fields }: AskedHead) => {
    const from = Number(/^bytes=(\d+)-$/.exec(fields.range ?? "")?.[1] ?? 0);
    const isPart = from > 0 && fields["if-range"] === tag;
    const sent = isPart ? body.slice(from) : body;
    const head = `HTTP/1.1 ${isPart ? 206 : 200} OK\r\nETag: ${tag}\r\nContent-Length: ${sent.length}\r\n`;
    const range = isPart ? `Content-Range: bytes ${from}-${body.length - 1}/${body.length}\r\n` : "";
    const cut = cuts.shift();
    socket.write(`${head}${range}\r\n${sent.slice(0, cut)}`, "latin1", () => {
      if (cut !== undefined) setTimeout(() => socket.end(), 10);
    });
  };
}

describe("a spooled body", () => {
  test("lies in its file, with its digest, and not in memory", async () => {
    const web = await server(always(200, {}, large));
    const http = client();
    const answer = await http.fetch(web.origin, { spool: SPOOL });
    expect(answer).toMatchObject({ kind: "body", size: large.length, sha256: sha256(large), bytes: new Uint8Array(0) });
    expect(stored(http.disk)).toBe(large);
    expect(http.disk.stat(SPOOL)).toMatchObject({ mode: 0o600 });
  });

  test("takes the place of what lay there, even of a link, through which nothing is written", async () => {
    const web = await server(always(200, {}, "new"));
    const http = client();
    http.disk.writeNew("/tmp/victim", Buffer.from("old"), { mode: 0o600 });
    http.disk.symlink("/tmp/victim", SPOOL);
    await http.fetch(web.origin, { spool: SPOOL });
    expect([stored(http.disk), http.disk.read("/tmp/victim")]).toEqual(["new", "old"]);
  });

  test.each([
    ["too large", { "Content-Length": "1000001" }, "x", "TOO_LARGE"],
    ["encoded", { "Content-Encoding": "gzip" }, "x", "HTTP_ODD"],
    ["a portal's", {}, "<html>", "PORTAL"],
  ])("that is %s leaves no file", async (_what, fields, body, code) => {
    const web = await server(always(200, fields, body));
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code });
    expect(http.disk.stat(SPOOL)).toBeUndefined();
  });

  test.each([404, 304, 503])("is left as it was by status %d", async (status) => {
    const web = await server(always(status));
    const http = client();
    http.disk.writeNew(SPOOL, Buffer.from("earlier"), { mode: 0o600 });
    await http.fetch(web.origin, { spool: SPOOL, etag: '"1"' }).catch(() => undefined);
    expect(stored(http.disk)).toBe("earlier");
  });

  test.each([
    ["before the first byte, if the server states its length", 1000, undefined],
    ["while it comes", Number.MAX_SAFE_INTEGER, 3],
  ])("for which there is no space is NO_SPACE %s, and leaves no file", async (_when, free, writes) => {
    const web = await server(always(200, {}, large));
    const http = client();
    let left = writes ?? Number.POSITIVE_INFINITY;
    let made = 0;
    const full: Disk = {
      ...http.disk,
      free: () => ({ bytes: free, inodes: 1 }),
      createNew(path, as) {
        const file = http.disk.createNew(path, as);
        made++;
        const write = (chunk: Uint8Array) => {
          if (left-- <= 0) throw new ProvisionError("NO_SPACE", `writing ${path}`);
          file.write(chunk);
        };
        return { ...file, write };
      },
    };
    const tight = openHttp({ settings: TIGHT }, full, clock, () => true);
    const signal = new AbortController().signal;
    await expect(tight.get({ uri: web.origin, limit: 1e6, signal, spool: SPOOL })).rejects.toMatchObject({
      code: "NO_SPACE",
    });
    await tight.close();
    expect(http.disk.stat(SPOOL)).toBeUndefined();
    expect(made).toBe(writes === undefined ? 0 : 1);
  });
});

describe("a cut body", () => {
  test("is gone on with where it was cut, again and again, and comes out whole", async () => {
    const web = await server(cutting([70_000, 50_000, 1]));
    const http = client();
    for (let cut = 0; cut < 3; cut++) {
      await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    }
    const answer = await http.fetch(web.origin, { spool: SPOOL });
    expect(answer).toMatchObject({ kind: "body", size: large.length, sha256: sha256(large), etag: '"v1"' });
    expect(stored(http.disk)).toBe(large);
    expect(web.asked.map(({ fields }) => [fields.range, fields["if-range"]])).toEqual([
      [undefined, undefined],
      ["bytes=70000-", '"v1"'],
      ["bytes=120000-", '"v1"'],
      ["bytes=120001-", '"v1"'],
    ]);
  });

  test("comes out whole wherever it is cut", async () => {
    let cuts: number[] = [];
    const body = large.slice(0, 5000);
    const web = await server((socket, asked) => cutting(cuts, body)(socket, asked));
    const http = client();
    const positions = fc.array(fc.integer({ min: 0, max: 1600 }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(positions, async (drawn) => {
        cuts = [...drawn];
        for (const _cut of drawn) await http.fetch(web.origin, { spool: SPOOL }).catch(() => undefined);
        const answer = await http.fetch(web.origin, { spool: SPOOL });
        expect(answer).toMatchObject({ kind: "body", size: body.length, sha256: sha256(body) });
        expect(stored(http.disk)).toBe(body);
      }),
      { numRuns: 30 },
    );
  });

  test("that stalled is gone on with as well", async () => {
    let isSlow = true;
    const web = await server((socket, asked) => {
      if (!isSlow) return cutting([])(socket, asked);
      socket.write(
        `HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: ${large.length}\r\n\r\n${large.slice(0, 1000)}`,
        "latin1",
      );
    });
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "HTTP_TIMEOUT" });
    isSlow = false;
    expect(await http.fetch(web.origin, { spool: SPOOL })).toMatchObject({ sha256: sha256(large) });
    expect(web.asked[1]?.fields.range).toBe("bytes=1000-");
  });

  test("waits through an outage of its server", async () => {
    let isDown = false;
    const serve = cutting([1000]);
    const web = await server((socket, asked) => (isDown ? socket.write(answerText(503)) : serve(socket, asked)));
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    isDown = true;
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "HTTP_UNAVAILABLE" });
    isDown = false;
    expect(await http.fetch(web.origin, { spool: SPOOL })).toMatchObject({ sha256: sha256(large) });
    expect(web.asked.at(-1)?.fields.range).toBe("bytes=1000-");
  });

  const other = large.slice(0, 150_000).split("").reverse().join("");
  const whole = (socket: Socket, tag = '"v2"') => socket.write(answerText(200, { ETag: tag }, other), "latin1");
  const part = (socket: Socket, range: string, tag = '"v1"', status = 206) =>
    socket.write(answerText(status, { ETag: tag, "Content-Range": range }, large.slice(1000)), "latin1");

  test.each([
    ["changed in the meantime", (socket: Socket) => whole(socket)],
    ["is served without ranges", (socket: Socket) => whole(socket, '"v1"')],
    ["comes from another byte on", (socket: Socket) => part(socket, "bytes 999-199998/199999")],
    ["comes not to its end", (socket: Socket) => part(socket, "bytes 1000-199998/200000")],
    ["comes as a part of another version", (socket: Socket) => part(socket, "bytes 1000-199999/200000", '"v2"')],
    ["comes as a part of a version nobody names", (socket: Socket) => part(socket, "bytes 1000-199999/200000", "none")],
    ["comes as a part that says not of what", (socket: Socket) => part(socket, "nonsense")],
    [
      "is shorter now than what is there",
      (socket: Socket) => socket.write(answerText(416, { "Content-Range": "bytes */10" })),
    ],
  ])("that %s is begun anew, cleanly", async (_what, answer) => {
    const first = cutting([1000]);
    const web = await server((socket, asked, index) => {
      if (index === 0) first(socket, asked);
      else if (asked.fields.range !== undefined) answer(socket);
      else whole(socket);
    });
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    expect(await http.fetch(web.origin, { spool: SPOOL })).toMatchObject({ size: other.length, sha256: sha256(other) });
    expect(stored(http.disk)).toBe(other);
    expect(web.asked[1]?.fields.range).toBe("bytes=1000-");
  });

  test.each([
    ["has a weak tag", 'W/"v1"'],
    ["has no tag", "none"],
  ])("that %s is not kept", async (_what, tag) => {
    const web = await server(cutting([1000], large, tag));
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    expect(http.disk.stat(SPOOL)).toBeUndefined();
    expect(await http.fetch(web.origin, { spool: SPOOL })).toMatchObject({ sha256: sha256(large) });
    expect(web.asked[1]?.fields).not.toHaveProperty("range");
  });

  test("is not gone on with for another URI, nor if somebody changed the file", async () => {
    const serve = cutting([1000, undefined as never, 1000]);
    const web = await server(serve);
    const http = client();
    await expect(http.fetch(`${web.origin}/a`, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    expect(await http.fetch(`${web.origin}/b`, { spool: SPOOL })).toMatchObject({ sha256: sha256(large) });
    await expect(http.fetch(`${web.origin}/a`, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    http.disk.unlink(SPOOL);
    http.disk.writeNew(SPOOL, Buffer.from("something else"), { mode: 0o600 });
    expect(await http.fetch(`${web.origin}/a`, { spool: SPOOL })).toMatchObject({ sha256: sha256(large) });
    expect(web.asked.map(({ fields }) => fields.range)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("may not grow beyond its limit by parts", async () => {
    const web = await server(cutting([1000]));
    const http = client();
    await expect(http.fetch(web.origin, { spool: SPOOL })).rejects.toMatchObject({ code: "TRUNCATED" });
    const asking = http.fetch(web.origin, { spool: SPOOL, limit: large.length - 1 });
    await expect(asking).rejects.toMatchObject({ code: "TOO_LARGE" });
    expect(http.disk.stat(SPOOL)).toBeUndefined();
  });

  test("is removed by close()", async () => {
    const web = await server(cutting([1000]));
    const http = client();
    const own = openHttp({ settings: TIGHT }, http.disk, clock, () => true);
    const signal = new AbortController().signal;
    await expect(own.get({ uri: web.origin, limit: 1e6, signal, spool: SPOOL })).rejects.toMatchObject({
      code: "TRUNCATED",
    });
    expect(http.disk.stat(SPOOL)).toMatchObject({ size: 1000 });
    await own.close();
    expect(http.disk.stat(SPOOL)).toBeUndefined();
  });
});

const TIGHT = {
  ca: [],
  pins: [],
  useSystemCa: false,
  connectSeconds: 2,
  headerSeconds: 2,
  bodyIdleSeconds: 2,
  totalSeconds: 5,
  maxRedirects: 5,
  userAgent: "uciprov-test",
};
