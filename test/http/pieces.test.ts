import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import type { Disk } from "../../src/api.ts";
import { type AskedHead, answerText, farClock, type RawServer, type TestClient } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const SPOOL = "/tmp/overlay.tar.gz";
const large = randomBytes(600_001).toString("latin1");
const sha256 = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");

/** One part as it is to be answered; what a test changes in it is what the server does wrong. */
interface Part {
  readonly first: number;
  readonly last: number;
  /** How manieth part was asked for. */
  readonly nth: number;
  status: number;
  fields: Record<string, string>;
  body: string;
  delay: number;
}

/** Says that it gives parts, and gives them, but for what `bend` does to one. */
function parting(body = large, bend: (part: Part, socket: Socket) => void = () => undefined) {
  let nth = 0;
  return (socket: Socket, { path, fields }: AskedHead) => {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(fields.range ?? "") ?? [];
    const common = { ETag: '"v1"', "Accept-Ranges": "bytes" };
    if (path === "/MANIFEST") return void socket.write(answerText(200, common, "list"));
    if (from === undefined) return void socket.write(answerText(200, common, body), "latin1");
    const first = Number(from);
    const last = to ? Number(to) : body.length - 1;
    const range = `bytes ${first}-${last}/${body.length}`;
    const part: Part = {
      first,
      last,
      nth: nth++,
      status: 206,
      fields: { ...common, "Content-Range": range },
      body: body.slice(first, last + 1),
      delay: 0,
    };
    bend(part, socket);
    setTimeout(() => socket.write(answerText(part.status, part.fields, part.body), "latin1"), part.delay);
  };
}

function farClient(settings: Parameters<typeof client>[0] = {}): TestClient {
  return client(settings, true, undefined, farClock());
}

/** The manifest, from which the client learns what it must know of the server, and the large file. */
async function fetchBoth(http: TestClient, web: RawServer, more: Parameters<TestClient["fetch"]>[1] = {}) {
  await http.fetch(`${web.origin}/MANIFEST`);
  return await http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size: large.length, ...more });
}

const stored = (disk: Disk) => Buffer.from(disk.readBytes(SPOOL, 10_000_000) ?? []).toString("latin1");
const asked = (web: RawServer) => web.asked.slice(1).map(({ fields }) => fields.range);

describe("a large body of a far server", () => {
  test("comes in pieces at once, and is one file with one digest, whichever comes first", async () => {
    const web = await server(parting(large, (part) => wait(part, 60 - 10 * part.nth)));
    const http = farClient();
    const answer = await fetchBoth(http, web);
    expect(answer).toMatchObject({ kind: "body", size: large.length, sha256: sha256(large), etag: '"v1"' });
    expect(stored(http.disk)).toBe(large);
    expect(asked(web)).toEqual([
      "bytes=0-85714",
      "bytes=85715-171429",
      "bytes=171430-257144",
      "bytes=257145-342859",
      "bytes=342860-428574",
      "bytes=428575-514289",
      "bytes=514290-600000",
    ]);
    expect(new Set(web.asked.map(({ connection }) => connection)).size).toBe(7);
  });

  test.each([
    [131_072, 4],
    [460_000, 11],
    [470_000, 5],
    [1_027_000, 11],
    [1_100_000, 6],
  ])("of %d bytes comes in %d pieces: as few as bring it in as few round trips as can be", async (size, pieces) => {
    const body = "x".repeat(size);
    const web = await server(parting(body));
    const http = farClient();
    await http.fetch(`${web.origin}/MANIFEST`);
    await http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size, limit: size });
    expect(asked(web)).toHaveLength(pieces);
  });

  test("comes in fewer of a server that closes its connections, so that some are left for the small files", async () => {
    const web = await server((socket, head) => {
      const answer = parting("x".repeat(1_000_000), (part) => Object.assign(part.fields, { Connection: "close" }));
      const closing = { ETag: '"v1"', "Accept-Ranges": "bytes", Connection: "close" };
      if (head.path === "/MANIFEST") socket.end(answerText(200, closing, "list"));
      else answer(socket, head);
    });
    const http = farClient();
    await http.fetch(`${web.origin}/MANIFEST`);
    await http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size: 1_000_000, limit: 1_000_000 });
    expect(asked(web)).toHaveLength(5);
  });

  test("over https says who the server is as a whole one would", async () => {
    const tls = makeAuthority("Parting CA");
    const web = await server(parting(), tls.issue({ names: ["localhost"] }));
    const http = farClient({ ca: [tls.cert] });
    const inPieces = await fetchBoth(http, web);
    const whole = await http.fetch(`${web.origin}/overlay`, { spool: SPOOL });
    expect(asked(web)).toHaveLength(8);
    expect({ ...inPieces }).toEqual({ ...whole });
  });

  test("holds little in memory: no more than eleven pieces are asked for while the first has not come", async () => {
    const body = randomBytes(8_000_000).toString("latin1");
    const web = await server(parting(body, (part) => wait(part, part.nth === 0 ? 300 : 0)));
    const http = farClient();
    await http.fetch(`${web.origin}/MANIFEST`);
    const coming = http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size: body.length, limit: 9_000_000 });
    await expect.poll(() => asked(web).length).toBe(11);
    await sleep(100);
    expect(asked(web).length).toBe(11);
    expect(await coming).toMatchObject({ sha256: sha256(body) });
    expect(Math.max(...asked(web).map((range) => lengthOf(range)))).toBeLessThanOrEqual(262_144);
  });

  test("is asked for as a whole of a server that is near", async () => {
    const web = await server(parting());
    const http = client();
    expect(await fetchBoth(http, web)).toMatchObject({ sha256: sha256(large) });
    expect(asked(web)).toEqual([undefined]);
  });

  test.each([
    ["has not said that it gives parts", "/other"],
    ["says that it gives none", "/none"],
  ])("is asked for as a whole of a server that %s", async (_what, path) => {
    const web = await server((socket, head) => {
      const fields = { ETag: '"v1"', ...(head.path === "/none" ? { "Accept-Ranges": "none" } : {}) };
      socket.write(answerText(200, fields, head.path === "/overlay" ? large : "x"), "latin1");
    });
    const http = farClient();
    await http.fetch(web.origin + path);
    const answer = await http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size: large.length });
    expect(answer).toMatchObject({ sha256: sha256(large) });
    expect(asked(web)).toEqual([undefined]);
  });

  test.each([
    ["is small", { size: 131_071 }],
    ["has a size nobody told", { size: undefined as unknown as number }],
    ["is asked about on a condition", { etag: '"v0"' }],
  ])("is asked for as a whole if it %s", async (_what, more) => {
    const web = await server(parting());
    const http = farClient();
    await fetchBoth(http, web, more);
    expect(asked(web)).toEqual([undefined]);
  });

  test.each<[string, (part: Part) => void]>([
    ["sends the whole", (part) => Object.assign(part, { status: 200, body: large })],
    ["refuses the range", (part) => Object.assign(part, { status: 416, body: "" })],
    ["has another file by now", (part) => tag(part, part.nth > 2 ? '"v2"' : '"v1"')],
    ["has only a weak tag", (part) => tag(part, 'W/"v1"')],
    ["has no tag", (part) => Reflect.deleteProperty(part.fields, "ETag")],
    ["sends a part with a hole before it", (part) => part.nth === 1 && shift(part, 1)],
    ["sends a part that begins too early", (part) => part.nth === 1 && shift(part, -1)],
    ["knows another length", (part) => range(part, "600002")],
    ["knows no length", (part) => range(part, "*")],
    ["says nothing of the range", (part) => Reflect.deleteProperty(part.fields, "Content-Range")],
    ["moves away", (part) => Object.assign(part, { status: 302, body: "", fields: { Location: "/elsewhere" } })],
  ])("is asked for as a whole of a server that %s, and comes", async (_what, bend) => {
    const web = await server(parting(large, bend));
    const http = farClient();
    expect(await fetchBoth(http, web)).toMatchObject({ kind: "body", sha256: sha256(large) });
    expect(stored(http.disk)).toBe(large);
    expect(asked(web)).toContain(undefined);
  });

  test("that is cut is resumed where its beginning ends", async () => {
    let cuts = 1;
    const web = await server(
      parting(large, (part, socket) => {
        if (part.nth !== 2 || cuts-- <= 0) return;
        part.fields["Content-Length"] = String(part.body.length);
        part.body = part.body.slice(0, 70_000);
        part.delay = 50; // the others are here by then
        setTimeout(() => socket.end(), 150);
      }),
    );
    const http = farClient();
    await http.fetch(`${web.origin}/MANIFEST`);
    const again = () => http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size: large.length });
    await expect(again()).rejects.toMatchObject({ code: "TRUNCATED", message: expect.stringContaining("/overlay") });
    expect(await again()).toMatchObject({ size: large.length, sha256: sha256(large) });
    expect(asked(web).at(-1)).toBe("bytes=241430-");
  });

  test.each([
    ["shorter", -1, "TRUNCATED"],
    ["longer", 1, "HTTP_ODD"],
  ])("with a part that is %s than it says, and chunked, is refused", async (_what, more, code) => {
    const web = await server(
      parting(large, (part) => {
        if (part.nth !== 0) return;
        const body = more < 0 ? part.body.slice(0, more) : `${part.body}x`;
        part.fields["Transfer-Encoding"] = "chunked";
        part.body = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      }),
    );
    await expect(fetchBoth(farClient(), web)).rejects.toMatchObject({ code });
  });

  test("that is too large is refused before a byte of it counts, and leaves no file", async () => {
    const web = await server(parting());
    const http = farClient();
    await expect(fetchBoth(http, web, { limit: 600_000 })).rejects.toMatchObject({ code: "TOO_LARGE" });
    expect(http.disk.stat(SPOOL)).toBeUndefined();
  });

  test("ends all its requests when it is stopped, and closes their connections", async () => {
    const web = await server(parting(large, (part) => wait(part, 5_000)));
    const http = farClient({ headerSeconds: 10 });
    const stop = new AbortController();
    const coming = fetchBoth(http, web, { signal: stop.signal });
    await expect.poll(() => asked(web).length).toBe(7);
    stop.abort();
    await expect(coming).rejects.toMatchObject({ code: "STOPPED" });
    await expect.poll(() => web.open()).toBe(0);
  });

  test("one silent piece ends the whole by the deadline for silence", async () => {
    const web = await server(parting(large, (part) => wait(part, part.nth === 4 ? 60_000 : 0)));
    await expect(fetchBoth(farClient({ headerSeconds: 0.2 }), web)).rejects.toMatchObject({ code: "HTTP_TIMEOUT" });
  });

  test("is the same bytes for every size and every order of arrival", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 131_072, max: 2_000_000 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 }),
        async (size, delays) => {
          const body = randomBytes(size).toString("latin1");
          const web = await server(parting(body, (part) => wait(part, delays[part.nth % delays.length] ?? 0)));
          const http = farClient();
          await http.fetch(`${web.origin}/MANIFEST`);
          const answer = await http.fetch(`${web.origin}/overlay`, { spool: SPOOL, size, limit: size });
          expect(answer).toMatchObject({ size, sha256: sha256(body) });
          expect(stored(http.disk) === body).toBe(true);
          expect(asked(web).length).toBeGreaterThan(3);
        },
      ),
      { numRuns: 30 },
    );
  });
});

function wait(part: Part, milliseconds: number): void {
  part.delay = milliseconds;
}

function tag(part: Part, is: string): void {
  part.fields.ETag = is;
}

function range(part: Part, total: string): void {
  part.fields["Content-Range"] = `bytes ${part.first}-${part.last}/${total}`;
}

function lengthOf(range: string | undefined): number {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  return Number(last) - Number(first) + 1;
}

/** Another part than the one that was asked for, and said to be so. */
function shift(part: Part, by: number): void {
  const first = part.first + by;
  part.fields["Content-Range"] = `bytes ${first}-${part.last + by}/${large.length}`;
  part.body = large.slice(first, part.last + by + 1);
}
