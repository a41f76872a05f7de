import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { serveTree, type TreeServer } from "../../src/admin/tree-server.ts";

const authority = makeAuthority("Tree CA");
const body = "0123456789";
let folder: string;
let server: TreeServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-tree-server-"));
  writeFileSync(join(folder, "file"), body);
  writeFileSync(join(folder, "empty"), "");
  server = await serveTree(folder, authority.issue({ names: ["localhost"] }));
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  return new Promise((resolve, reject) => {
    request(
      { host: "localhost", port: server.port, path, headers, method, ca: authority.cert, agent: false },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
      },
    )
      .on("error", reject)
      .end();
  });
}

describe("a tree's server", () => {
  test("says that it gives parts", async () => {
    expect((await ask("/file")).headers).toMatchObject({ "accept-ranges": "bytes", "content-length": "10" });
  });

  test.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=4-", "456789", "bytes 4-9/10"],
    ["bytes=9-9", "9", "bytes 9-9/10"],
    ["bytes=8-99", "89", "bytes 8-9/10"],
  ])("gives the part %s", async (range, text, told) => {
    const got = await ask("/file", { range });
    expect(got).toMatchObject({ status: 206, text, headers: { "content-range": told } });
    expect(got.headers["content-length"]).toBe(String(text.length));
    expect(got.headers.etag).toBe((await ask("/file")).headers.etag);
  });

  test.each([
    "bytes=3-1",
    "bytes=10-",
    "bytes=10-20",
    "bytes=-3",
    "bytes=0-1,4-5",
    "lines=0-1",
    "bytes=a-b",
    "bytes=0-1 ",
  ])("gives the whole where asked for %s", async (range) => {
    const got = await ask("/file", { range });
    // A trailing space is no part of a field's value (RFC 9110 §5.5).
    expect([got.status, got.text]).toEqual(range.endsWith(" ") ? [206, "01"] : [200, body]);
  });

  test("gives the part only of the version that If-Range names, and to GET alone", async () => {
    const { etag = "" } = (await ask("/file")).headers;
    const range = "bytes=0-3";
    expect((await ask("/file", { range, "if-range": etag })).status).toBe(206);
    expect((await ask("/file", { range, "if-range": '"other"' })).text).toBe(body);
    expect((await ask("/file", { range }, "HEAD")).status).toBe(200);
    expect((await ask("/empty", { range })).status).toBe(200);
    expect((await ask("/missing", { range })).status).toBe(404);
    expect((await ask("/file", { range, "if-none-match": etag })).status).toBe(304);
  });
});
