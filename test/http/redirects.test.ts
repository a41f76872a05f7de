import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always, answerText } from "../helpers/web.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const authority = makeAuthority("Redirecting CA");
const tls = authority.issue({ names: ["localhost"] });
const trusting = { ca: [authority.cert], totalSeconds: 10 };

describe("a redirection", () => {
  test.each([301, 302, 303, 307, 308])("by status %d is followed, on the same connection", async (status) => {
    const web = await server((socket, { path }) => {
      if (path === "/there") socket.write(answerText(200, {}, "found"));
      else socket.write(answerText(status, { Location: "/there#part" }, "<html>moved</html>"));
    });
    expect(await client().fetch(`${web.origin}/here`)).toMatchObject({
      kind: "body",
      uri: `${web.origin}/there`,
      size: 5,
    });
    expect(web.asked.map(({ path, connection }) => [path, connection])).toEqual([
      ["/here", 0],
      ["/there", 0],
    ]);
  });

  test("leads to a 304 or a 404 as well", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/moved") socket.write(answerText(302, { Location: "/here" }));
      else if (path === "/lost") socket.write(answerText(302, { Location: "/gone" }));
      else socket.write(answerText(path === "/here" ? 304 : 404));
    });
    const http = client();
    expect(await http.fetch(`${web.origin}/moved`, { etag: '"1"' })).toMatchObject({ kind: "not-modified" });
    expect(await http.fetch(`${web.origin}/lost`)).toMatchObject({ kind: "absent" });
  });

  test("may happen five times, not six, and never be a circle", async () => {
    const web = await server((socket, { path }) => {
      const [, kind, left] = path.split("/");
      const to = kind === "circle" ? `/circle/${left === "a" ? "b" : "a"}` : `/steps/${Number(left) - 1}`;
      socket.write(left === "0" ? answerText(200, {}, "arrived") : answerText(302, { Location: to }));
    });
    const http = client();
    expect(await http.fetch(`${web.origin}/steps/5`)).toMatchObject({ kind: "body", uri: `${web.origin}/steps/0` });
    await expect(http.fetch(`${web.origin}/steps/6`)).rejects.toMatchObject({ code: "REDIRECT_LOOP" });
    await expect(http.fetch(`${web.origin}/circle/a`)).rejects.toMatchObject({
      code: "REDIRECT_LOOP",
      exit: "invalid-content",
    });
    expect(web.asked.filter(({ path }) => path.startsWith("/circle"))).toHaveLength(2);
  });

  test.each([
    "file:///etc/passwd",
    "javascript:alert(1)",
    "ftp://a.example/x",
    "http://user:secret@127.0.0.1/x",
    "//user@127.0.0.1/x",
    "http://[::1",
    "http://127.0.0.1/a b",
    `/${"x".repeat(3000)}`,
  ])("to %s is refused", async (location) => {
    const web = await server(always(302, { Location: location }));
    const error: unknown = await client()
      .fetch(web.origin)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "URI_INVALID" });
    expect(String(error)).not.toContain("secret");
  });

  test("without Location is HTTP_ODD", async () => {
    const web = await server(always(302));
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "HTTP_ODD" });
  });

  test("from https to http is REDIRECT_INSECURE, and the http server is not asked", async () => {
    const plain = await server(always(200, {}, "forged"));
    const web = await server(always(302, { Location: `${plain.origin}/x` }), tls);
    await expect(client(trusting).fetch(web.origin)).rejects.toMatchObject({
      code: "REDIRECT_INSECURE",
      exit: "trust-refused",
    });
    expect(plain.opened()).toBe(0);
  });

  test("from http to https proves nothing: who answered first could have named any server", async () => {
    const web = await server(always(200, {}, "real"), tls);
    const plain = await server(always(302, { Location: `${web.origin}/x` }));
    const http = client(trusting);
    expect(await http.fetch(plain.origin)).toMatchObject({
      transport: { scheme: "https", host: "localhost", port: web.port, proof: { kind: "none" } },
    });
    expect(await http.fetch(`${web.origin}/x`)).toMatchObject({ transport: { proof: { kind: "ca" } } });
  });

  test("from https to https keeps the proof, of the last server", async () => {
    const web = await server(always(200, {}, "real"), tls);
    const first = await server(always(302, { Location: `${web.origin}/x` }), tls);
    expect(await client(trusting).fetch(first.origin)).toMatchObject({
      transport: { port: web.port, proof: { kind: "ca" } },
    });
  });

  test("to another server does not take the caller's own fields along", async () => {
    const other = await server(always(200, {}, "x"));
    const web = await server(always(302, { Location: other.origin }));
    await client().fetch(web.origin, { headers: { "X-Serial": "7" } });
    expect(web.asked[0]?.fields["x-serial"]).toBe("7");
    expect(other.asked[0]?.fields).not.toHaveProperty("x-serial");
  });

  test("with an endless body is followed all the same", async () => {
    const web = await server((socket, { path }) => {
      if (path === "/there") socket.write(answerText(200, {}, "found"));
      else {
        socket.write("HTTP/1.1 302 Found\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n");
        const timer = setInterval(() => socket.write(`4000\r\n${"x".repeat(0x4000)}\r\n`), 1);
        socket.on("close", () => clearInterval(timer));
      }
    });
    expect(await client().fetch(`${web.origin}/here`)).toMatchObject({ kind: "body", size: 5 });
  });
});
