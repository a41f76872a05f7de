import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { always, answerText } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const sha256 = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");

describe("a body", () => {
  test("comes with its digest, its place, and what a later conditional request needs", async () => {
    const web = await server(
      always(
        200,
        { ETag: '"5f-1"', "Last-Modified": "Sun, 22 Nov 2026 17:41:01 GMT", "Content-Type": "text/plain" },
        "hello",
      ),
    );
    const answer = await client().fetch(`${web.origin}/a?b=c`);
    expect(answer).toEqual({
      kind: "body",
      uri: `${web.origin}/a?b=c`,
      transport: { scheme: "http", host: "127.0.0.1", port: web.port, proof: { kind: "none" } },
      bytes: Buffer.from("hello"),
      size: 5,
      sha256: sha256("hello"),
      etag: '"5f-1"',
      modified: "Sun, 22 Nov 2026 17:41:01 GMT",
      contentType: "text/plain",
    });
  });

  test("is asked for plainly: one GET, no encoding, our name, nothing about the device", async () => {
    const web = await server(always(200, {}, "x"));
    await client().fetch(`${web.origin}/x`);
    expect(web.asked).toEqual([
      {
        path: "/x",
        connection: 0,
        fields: {
          host: `127.0.0.1:${web.port}`,
          connection: "keep-alive",
          accept: "*/*",
          "accept-encoding": "identity",
          "user-agent": "uciprov-test",
        },
      },
    ]);
  });

  test("may be chunked, empty, or end with the connection", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/chunked") {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
      } else if (path === "/empty") socket.write(answerText(200));
      else socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde");
    });
    const http = client();
    const sizes = await Promise.all(["/chunked", "/empty", "/closing"].map((path) => http.fetch(web.origin + path)));
    expect(sizes.map((answer) => answer.kind === "body" && [answer.size, answer.sha256])).toEqual([
      [5, sha256("abcde")],
      [0, sha256("")],
      [5, sha256("abcde")],
    ]);
  });

  test("arrives byte for byte, however it is cut into pieces", async () => {
    let pieces: string[] = [];
    const web = await server((socket) => {
      const whole = pieces.join("");
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole.length}\r\n\r\n`, "latin1");
      for (const piece of pieces) socket.write(piece, "latin1");
    });
    const http = client();
    const piece = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (drawn) => {
        // What looks like a web page is refused on purpose.
        fc.pre(!/<(?:!doctype|html|head|body)/i.test(drawn.join("")));
        pieces = drawn;
        const answer = await http.fetch(web.origin);
        expect(answer.kind === "body" && Buffer.from(answer.bytes).toString("latin1")).toBe(drawn.join(""));
      }),
      { numRuns: 60 },
    );
  });

  test("larger than its limit is refused, stated or not", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/stated") socket.write("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
      else socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n");
    });
    const http = client();
    for (const path of ["/stated", "/silent"]) {
      await expect(http.fetch(web.origin + path, { limit: 10 })).rejects.toMatchObject({
        code: "TOO_LARGE",
        message: `fetching ${web.origin}${path}: the body has 11 bytes or more, 10 are allowed`,
        place: { file: web.origin + path },
      });
    }
  });

  test("of exactly the limit is taken", async () => {
    const web = await server(always(200, {}, "0123456789"));
    expect(await client().fetch(web.origin, { limit: 10 })).toMatchObject({ size: 10 });
  });

  test("that is encoded is refused before it is looked at: no gzip bomb can go off", async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000)).toString("latin1");
    const web = await server((socket, { path }) => {
      const coding = path.slice(1);
      if (coding === "te") socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
      else socket.write(answerText(200, { "Content-Encoding": coding }, bomb), "latin1");
    });
    const http = client();
    for (const coding of ["gzip", "br", "deflate", "zstd", "te"]) {
      await expect(http.fetch(`${web.origin}/${coding}`)).rejects.toMatchObject({
        code: "HTTP_ODD",
        exit: "invalid-content",
      });
    }
    expect(await http.fetch(`${web.origin}/identity`)).toMatchObject({ kind: "body", size: bomb.length });
  });
});

describe("a conditional request", () => {
  const tagged = (tag: string) => async () =>
    server((socket, { fields }) => {
      if (fields["if-none-match"] !== undefined) socket.write(answerText(304, { ETag: tag }));
      else socket.write(answerText(200, { ETag: tag }, "new"));
    });

  test("carries what the earlier answer said, and is answered by not-modified", async () => {
    const web = await tagged('"v1"')();
    const modified = "Sun, 22 Nov 2026 17:41:01 GMT";
    expect(await client().fetch(web.origin, { etag: '"v1"', modified })).toMatchObject({ kind: "not-modified" });
    expect(web.asked[0]?.fields).toMatchObject({ "if-none-match": '"v1"', "if-modified-since": modified });
  });

  test("compares weakly: a server that compresses marks its tag as weak", async () => {
    const web = await tagged('W/"v1"')();
    expect(await client().fetch(web.origin, { etag: '"v1"' })).toMatchObject({ kind: "not-modified" });
  });

  test("answered for another version is asked again without condition", async () => {
    const web = await tagged('"v2"')();
    expect(await client().fetch(web.origin, { etag: '"v1"' })).toMatchObject({ kind: "body", etag: '"v2"' });
    expect(web.asked.map(({ fields }) => fields["if-none-match"])).toEqual(['"v1"', undefined]);
  });

  test("is the only one that 304 can answer", async () => {
    const web = await server(always(304));
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "HTTP_ODD" });
  });

  test("never repeats a tag or date that is none", async () => {
    const web = await server(always(200, { ETag: "unquoted", "Last-Modified": "yesterday" }, "x"));
    const answer = await client().fetch(web.origin);
    expect(answer).not.toHaveProperty("etag");
    expect(answer).not.toHaveProperty("modified");
  });
});

describe("a status", () => {
  const asking = async (status: number, fields: Record<string, string> = {}) => {
    const web = await server(always(status, fields, "<html>nginx says so</html>"));
    return client().fetch(`${web.origin}/default.uci`);
  };

  test.each([404, 410])("%d is absent, though its body is HTML", async (status) => {
    expect(await asking(status, { "Content-Type": "text/html" })).toMatchObject({ kind: "absent" });
  });

  test.each([400, 401, 403, 405, 407, 414, 431, 451])("%d is HTTP_REFUSED and not tried again", async (status) => {
    await expect(asking(status)).rejects.toMatchObject({ code: "HTTP_REFUSED", mayRetry: false });
  });

  test.each([408, 425, 429, 500, 502, 503, 504])("%d is HTTP_UNAVAILABLE and may pass", async (status) => {
    await expect(asking(status)).rejects.toMatchObject({ code: "HTTP_UNAVAILABLE", mayRetry: true });
  });

  test.each([201, 202, 204, 205, 206, 226, 300, 305, 306, 399])("%d is HTTP_ODD", async (status) => {
    await expect(asking(status)).rejects.toMatchObject({ code: "HTTP_ODD" });
  });

  test.each([
    ["120", 120],
    ["99999999", 86_400],
    ["Sun, 22 Nov 2026 18:00:12 GMT", 120],
    ["Sun, 22 Nov 2026 17:00:00 GMT", 0],
    ["Fri, 31 Dec 2066 23:59:59 GMT", 86_400],
    ["soon", undefined],
    ["-5", undefined],
  ])("503 with Retry-After: %s asks to wait %s seconds", async (text, seconds) => {
    const asked = asking(503, { "Retry-After": text, Date: "Sun, 22 Nov 2026 17:58:12 GMT" });
    await expect(asked).rejects.toMatchObject({ retryAfter: seconds });
  });
});

describe("a captive portal", () => {
  const page = "<!DOCTYPE html>\n<html>log in</html>";

  test.each([
    ["by its type", 200, { "Content-Type": "text/html; charset=utf-8" }, "please log in"],
    ["by its first bytes", 200, { "Content-Type": "application/octet-stream" }, page],
    ["without any type", 200, {}, `\n\t  ${page}`],
    ["behind a byte order mark", 200, {}, `\u00ef\u00bb\u00bf${page}`],
    ["by status 511", 511, { "Content-Type": "text/html" }, page],
  ])("is known %s", async (_how, status, fields, body) => {
    const web = await server(always(status, fields, body));
    await expect(client().fetch(`${web.origin}/MANIFEST`)).rejects.toMatchObject({ code: "PORTAL", exit: "try-later" });
  });

  test("is known though its page comes byte by byte", async () => {
    const web = await server(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n`);
      for (const letter of page) {
        socket.write(letter);
        await new Promise(setImmediate);
      }
    });
    await expect(client().fetch(`${web.origin}/MANIFEST`)).rejects.toMatchObject({ code: "PORTAL" });
  });

  test("is known at the end of a redirection to its own host", async () => {
    const portal = await server(always(200, { "Content-Type": "text/html" }, page));
    const web = await server(always(302, { Location: `http://localhost:${portal.port}/login` }));
    await expect(client().fetch(`${web.origin}/MANIFEST`)).rejects.toMatchObject({ code: "PORTAL" });
  });

  test("is not suspected where HTML was asked for, nor in a text that speaks of HTML", async () => {
    const web = await server((socket, { path }) => {
      socket.write(answerText(200, {}, path.endsWith(".html") ? page : `config web 'page'\n# ${page}`));
    });
    const http = client();
    expect(await http.fetch(`${web.origin}/help.html`)).toMatchObject({ kind: "body" });
    expect(await http.fetch(`${web.origin}/default.uci`)).toMatchObject({ kind: "body" });
  });
});

describe("a header", () => {
  test("of too many bytes or fields is HTTP_ODD", async () => {
    const web = await server((socket, { path }) => {
      const many = Array.from({ length: 200 }, (_, index) => `X-${index}: y\r\n`).join("");
      const large = `X-Large: ${"y".repeat(20_000)}\r\n`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${path === "/many" ? many : large}\r\n`);
    });
    const http = client();
    for (const path of ["/many", "/large"]) {
      await expect(http.fetch(web.origin + path)).rejects.toMatchObject({ code: "HTTP_ODD" });
    }
  });

  test.each([
    ["two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
    ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["no HTTP at all", "220 mail.example ESMTP\r\n"],
    ["a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ["a NUL in a field", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"],
  ])("with %s is HTTP_ODD", async (_what, bytes) => {
    const web = await server((socket) => void socket.write(bytes));
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "HTTP_ODD" });
  });

  test("of the caller's is sent, but not ours replaced", async () => {
    const web = await server(always(200, {}, "x"));
    await client().fetch(web.origin, { headers: { "X-Serial": "7", "Accept-Encoding": "gzip" } });
    expect(web.asked[0]?.fields).toMatchObject({ "x-serial": "7", "accept-encoding": "identity" });
  });

  test("of the caller's cannot carry a second field in", async () => {
    const web = await server(always(200, {}, "x"));
    const asking = client().fetch(web.origin, { headers: { "X-Serial": "7\r\nX-Other: 8" } });
    await expect(asking).rejects.toMatchObject({ code: "INTERNAL" });
    expect(web.asked).toEqual([]);
  });
});

describe("a URI", () => {
  test.each([
    "file:///etc/passwd",
    "ftp://a.example/",
    "javascript:1",
    "http://user:secret@127.0.0.1/",
    "/only/a/path",
    "http://",
  ])("%s is refused before anything is asked", async (uri) => {
    await expect(client().fetch(uri)).rejects.toMatchObject({ code: "URI_INVALID" });
  });

  test("is told without the values of its query", async () => {
    const web = await server(always(500));
    const error: unknown = await client()
      .fetch(`${web.origin}/a?token=secret`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      message: `fetching ${web.origin}/a?token=…: the server answered with status 500`,
      place: { file: `${web.origin}/a?token=…` },
    });
  });
});
