import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import { afterEach, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { scene } from "./scene.ts";

const { client } = scene();
const authority = makeAuthority("Fleet CA");
const good = authority.issue({ names: ["localhost", "127.0.0.1"] });
const NEVER = new AbortController().signal;
const body = Buffer.from('{"a":1}\n');

interface Got {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** Takes letters, and answers as it is told; no status: never. */
async function receiver(status: number | undefined, fields: Record<string, string> = {}) {
  const got: Got[] = [];
  const server = createServer(good, (request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += String(chunk);
    });
    request.on("end", () => {
      got.push({ method: request.method, path: request.url, headers: request.headers, body: text });
      if (status !== undefined) response.writeHead(status, fields).end("thanks");
    });
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { got, uri: `https://localhost:${port}/reports?x=1` };
}

describe("a letter", () => {
  test("arrives whole, as JSON, with the headers it was given; its answer is told by status", async () => {
    for (const status of [200, 204, 400, 404, 503]) {
      const { got, uri } = await receiver(status);
      const web = client({ ca: [authority.cert] });
      const headers = { "Idempotency-Key": "one" };
      expect(await web.post({ uri, body, headers, signal: NEVER })).toEqual({ status, retryAfter: undefined });
      expect(got).toMatchObject([
        {
          method: "POST",
          path: "/reports?x=1",
          body: '{"a":1}\n',
          headers: { "idempotency-key": "one", "content-type": "application/json" },
        },
      ]);
    }
  });

  test("learns when to come again", async () => {
    const { uri } = await receiver(429, { "Retry-After": "120" });
    expect(await client({ ca: [authority.cert] }).post({ uri, body, signal: NEVER })).toEqual({
      status: 429,
      retryAfter: 120,
    });
  });

  test("follows no redirection: who takes it was named in the settings", async () => {
    const elsewhere = await receiver(204);
    for (const status of [301, 302, 307, 308]) {
      const { uri } = await receiver(status, { Location: elsewhere.uri });
      expect(await client({ ca: [authority.cert] }).post({ uri, body, signal: NEVER })).toMatchObject({ status });
    }
    expect(elsewhere.got).toEqual([]);
  });

  test("is not told to a server that nobody vouches for", async () => {
    const { got, uri } = await receiver(204);
    for (const settings of [{}, { ca: [makeAuthority("Other CA").cert] }, { pins: ["00".repeat(32)] }]) {
      await expect(client(settings).post({ uri, body, signal: NEVER })).rejects.toMatchObject({
        code: "TLS_UNTRUSTED",
      });
    }
    const misnamed = uri.replace("localhost", "127.0.0.2");
    await expect(client({ ca: [authority.cert] }).post({ uri: misnamed, body, signal: NEVER })).rejects.toMatchObject({
      code: expect.any(String),
    });
    expect(got).toEqual([]);
  });

  test("does not wait for an answer for ever, nor longer than its sender", async () => {
    const { uri } = await receiver(undefined);
    await expect(client({ ca: [authority.cert] }).post({ uri, body, signal: NEVER })).rejects.toMatchObject({
      code: "HTTP_TIMEOUT",
    });
    const signal = AbortSignal.timeout(50);
    await expect(client({ ca: [authority.cert], headerSeconds: 30 }).post({ uri, body, signal })).rejects.toThrow();
    await expect(client().post({ uri: "ftp://x/", body, signal: NEVER })).rejects.toMatchObject({
      code: "URI_INVALID",
    });
  });
});
