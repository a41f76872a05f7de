/** The way to the tree: TLS, HTTP, and all that stands between a device and its server. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { makeAuthority, type Wanted } from "../../src/admin/certificates.ts";
import { answer, redirect, serveBent, stopsAfter } from "../helpers/bent-web.ts";
import { provisioned, type Refusal, refused, type Scene, scenario } from "../helpers/scenario.ts";

const DAY = 86_400_000;
const PORTAL = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in</body></html>";
const HTML = { "content-type": "text/html; charset=utf-8" };
/** Deadlines that a test can wait for. */
const SHORT = { limits: { header_seconds: "1", idle_seconds: "1", connect_seconds: "2" } };

scenario("the probe of a first run is the only connection that its server sees then", async (scene) => {
  const open: number[] = [];
  scene.web.bend("MANIFEST", (request, response) => {
    void scene.web.connections().then((count) => {
      open.push(count);
      scene.web.honest("MANIFEST")(request, response);
    });
  });
  await provisioned(scene);
  expect(open[0]).toBeGreaterThan(1);
  expect(open.at(-1)).toBe(1);
});

describe("TLS", () => {
  scenario("a server of another CA is refused", async (scene) => {
    const stranger = makeAuthority("somebody else").issue({ names: ["127.0.0.1"] });
    await fromServer(scene, stranger, { code: "TLS_UNTRUSTED", exit: "trust-refused", says: ["127.0.0.1"] });
  });

  scenario("an expired certificate is refused", async (scene) => {
    await fromServer(
      scene,
      scene.bed.authority.issue({
        names: ["127.0.0.1"],
        notBefore: new Date(Date.now() - 2 * DAY),
        notAfter: new Date(Date.now() - DAY),
      }),
      { code: "TLS_EXPIRED", exit: "trust-refused", says: ["127.0.0.1", "expired"] },
    );
  });

  scenario("a certificate for another name is refused", async (scene) => {
    const other = scene.bed.authority.issue({ names: ["other.example"] });
    await fromServer(scene, other, { code: "TLS_NAME", exit: "trust-refused", says: ["127.0.0.1"] });
  });

  // The firmware's build date lies in the future: what a device sees whose clock stands at 1970, while OpenSSL asks the machine's own.
  for (const [title, dates] of [
    ["not valid yet", { notBefore: new Date(Date.now() + DAY) }],
    ["expired", { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) }],
  ] as const satisfies readonly (readonly [string, Partial<Wanted>])[]) {
    scenario(
      `with an impossible clock, a certificate that is ${title} is the clock's fault: tried later`,
      async (scene) => {
        const built = Math.floor(Date.now() / 1000) + 365 * 86_400;
        const release = (scene.device("/usr/lib/os-release") ?? "").replace(/(OPENWRT_BUILD_DATE=")\d+/, `$1${built}`);
        scene.edit("/usr/lib/os-release", release);
        const identity = scene.bed.authority.issue({ names: ["127.0.0.1"], ...dates });
        await fromServer(scene, identity, { code: "CLOCK_WRONG", exit: "try-later", says: ["127.0.0.1"] });
      },
    );
  }

  scenario("the validator of TLSA is loaded for whom it is switched on, and for nobody else", async (scene) => {
    const preload = join(scene.bed.folder, "tell-chunks.cjs");
    writeFileSync(preload, 'process.on("exit", () => console.error(Object.keys(require.cache).join(" ")));');
    scene.goTo(scene.web.uri.replace("127.0.0.1", "localhost"));
    const dnssec = { server: [`127.0.0.1#${scene.bed.names.port}`], timeout: "2" };
    scene.settings({ dnssec: { ...dnssec, tlsa: "1" } });
    // The scene's name server signs nothing, and no anchor but the root's is above the name.
    const on = await scene.run(["run"], { preload });
    expect(on.json).toMatchObject({ error: { message: expect.stringContaining("TLSA of localhost:") } });
    expect(on.stderr).toContain("dnssec.cjs");
    scene.settings({ dnssec });
    const off = await scene.run(["run"], { preload });
    expect(off.json).toMatchObject({ exit: "provisioned" });
    expect(off.stderr).toContain("http.cjs");
    expect(off.stderr).not.toContain("dnssec.cjs");
  });

  scenario("a server that is no TLS server is tried later", async (scene) => {
    const plain = await serveBent(scene.tree);
    try {
      scene.goTo(plain.uri.replace("http:", "https:"));
      await refused(scene, { code: "CONNECT_FAILED", exit: "try-later", says: ["127.0.0.1"] });
    } finally {
      await plain.close();
    }
  });

  scenario("nobody listening is tried later", async (scene) => {
    scene.goTo("https://127.0.0.1:9/tree");
    await refused(scene, { code: "CONNECT_FAILED", exit: "try-later", says: ["127.0.0.1"] });
  });

  scenario("a server without an address is tried later", async (scene) => {
    scene.goTo("https://nobody.invalid/tree");
    await refused(scene, { code: "DNS_FAILED", exit: "try-later", says: ["nobody.invalid"] });
  });
});

describe("answers that are no tree", () => {
  const bent: readonly (readonly [
    title: string,
    file: string,
    bend: Parameters<Scene["web"]["bend"]>[1],
    refusal: Refusal,
  ])[] = [
    [
      "404 for a file that MANIFEST lists",
      "default.uci",
      answer(404),
      { code: "HTTP_NOT_FOUND", exit: "invalid-content", says: ["default.uci"] },
    ],
    [
      "401",
      "MANIFEST",
      answer(401, { "www-authenticate": "Basic" }),
      { code: "HTTP_REFUSED", exit: "invalid-content", says: ["401", "MANIFEST"] },
    ],
    [
      "403 for a resource",
      "default.uci",
      answer(403),
      { code: "HTTP_REFUSED", exit: "invalid-content", says: ["403", "default.uci"] },
    ],
    ["500", "MANIFEST", answer(500), { code: "HTTP_UNAVAILABLE", exit: "try-later", says: ["500", "MANIFEST"] }],
    [
      "500 for a resource",
      "default.uci",
      answer(500),
      { code: "HTTP_UNAVAILABLE", exit: "try-later", says: ["500", "default.uci"] },
    ],
    [
      "503 with Retry-After",
      "MANIFEST",
      answer(503, { "retry-after": "3600" }),
      { code: "HTTP_UNAVAILABLE", exit: "try-later", says: ["503", '"retryAfter":3600'] },
    ],
    ["no answer at all", "MANIFEST", () => undefined, { code: "HTTP_TIMEOUT", exit: "try-later", says: ["MANIFEST"] }],
    [
      "a body that hangs",
      "default.uci",
      stopsAfter("package system\n", 500, "silence"),
      { code: "HTTP_TIMEOUT", exit: "try-later", says: ["default.uci"] },
    ],
    [
      "an overlay that hangs",
      "overlay.tar.gz",
      stopsAfter("\u001f\u008b", 500, "silence"),
      { code: "HTTP_TIMEOUT", exit: "try-later", says: ["overlay.tar.gz"] },
    ],
    [
      "a truncated MANIFEST",
      "MANIFEST",
      stopsAfter("# uciprov-manifest 1\n", 5000, "close"),
      { code: "TRUNCATED", exit: "try-later", says: ["MANIFEST"] },
    ],
    [
      "a truncated resource",
      "default.uci",
      stopsAfter("package system\n", 500, "close"),
      { code: "TRUNCATED", exit: "try-later", says: ["default.uci"] },
    ],
    [
      "a portal's page as MANIFEST",
      "MANIFEST",
      answer(200, HTML, PORTAL),
      { code: "PORTAL", exit: "try-later", says: ["MANIFEST"] },
    ],
    [
      "a portal's page as a resource",
      "default.uci",
      answer(200, HTML, PORTAL),
      { code: "PORTAL", exit: "try-later", says: ["default.uci"] },
    ],
    [
      "a portal's page as the signature",
      "MANIFEST.sig",
      answer(200, HTML, PORTAL),
      { code: "PORTAL", exit: "try-later", says: ["MANIFEST.sig"] },
    ],
    [
      "a compressed resource",
      "default.uci",
      answer(200, { "content-encoding": "gzip" }, gzipSync("x".repeat(200))),
      { code: "HTTP_ODD", exit: "invalid-content", says: ["gzip", "default.uci"] },
    ],
    [
      "a gzip bomb",
      "MANIFEST",
      answer(200, { "content-encoding": "gzip" }, gzipSync(Buffer.alloc(40_000_000))),
      { code: "HTTP_ODD", exit: "invalid-content", says: ["gzip", "MANIFEST"] },
    ],
    [
      "a MANIFEST above the limit",
      "MANIFEST",
      answer(200, {}, "x".repeat(1_048_577)),
      { code: "TOO_LARGE", exit: "invalid-content", says: ["MANIFEST"] },
    ],
    [
      "206 that nobody asked for",
      "default.uci",
      answer(206, { "content-range": "bytes 0-2/9" }, "abc"),
      { code: "HTTP_ODD", exit: "invalid-content", says: ["default.uci", "a part"] },
    ],
  ];
  for (const [title, file, bend, refusal] of bent) {
    scenario(`${title}: ${refusal.code}`, async (scene) => {
      // A busy machine is late at times, so only those wait a second whose end it is.
      if (refusal.code === "HTTP_TIMEOUT") scene.settings(SHORT);
      scene.web.bend(file, bend);
      await refused(scene, refusal);
    });
  }

  scenario("an endless MANIFEST is left at the limit", async (scene) => {
    scene.web.bend("MANIFEST", (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("# more and more\n".repeat(4096)));
        if (!response.destroyed) response.once("drain", more);
      };
      response.writeHead(200);
      more();
    });
    await refused(scene, { code: "TOO_LARGE", exit: "invalid-content", says: ["MANIFEST"] });
  });

  scenario(
    "a manifest of more than 1 MiB is taken by devices whose `limits.small` allows it, and by no others",
    async (scene) => {
      const name = `${"d".repeat(200)}/${"f".repeat(200)}`;
      for (let i = 0; i < 1300; i++) scene.put(`${name}${i}`, "");
      scene.publish({ serial: 2 });
      await refused(scene, { code: "TOO_LARGE", exit: "invalid-content", says: ["MANIFEST"] });
      scene.settings({ limits: { small: "2097152" } });
      await provisioned(scene);
    },
  );

  scenario("a server that comes back within the run's tries is waited for", async (scene) => {
    let failures = 0;
    scene.settings({ main: { tries: "3", retry_seconds: "0" } });
    scene.web.bend("MANIFEST", (request, response) => {
      if (++failures === 2) scene.web.straighten();
      answer(503)(request, response);
    });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(failures).toBe(2);
  });

  scenario("Retry-After is obeyed before the next try", async (scene) => {
    const times: number[] = [];
    const busy = answer(503, { "retry-after": "2" });
    scene.settings({ main: { tries: "2", retry_seconds: "0" } });
    scene.web.bend("MANIFEST", (request, response) => {
      times.push(performance.now());
      const body = readFileSync(join(scene.tree, "MANIFEST"));
      (times.length === 1 ? busy : answer(200, {}, body))(request, response);
    });
    await provisioned(scene);
    const [first = 0, second = 0] = times;
    expect(second - first).toBeGreaterThanOrEqual(1990);
  });
});

describe("redirections", () => {
  scenario("a loop is refused", async (scene) => {
    scene.web.bend("MANIFEST", redirect(`${scene.web.uri}/b`));
    scene.web.bend("b", redirect(`${scene.web.uri}/MANIFEST`));
    await refused(scene, { code: "REDIRECT_LOOP", exit: "invalid-content", says: ["MANIFEST"] });
  });

  scenario("one more than is allowed is refused", async (scene) => {
    for (let step = 0; step < 8; step++)
      scene.web.bend(step === 0 ? "MANIFEST" : `s${step}`, redirect(`${scene.web.uri}/s${step + 1}`));
    await refused(scene, { code: "REDIRECT_LOOP", exit: "invalid-content", says: ["more than 5", "s6"] });
  });

  scenario("from https to http is refused", async (scene) => {
    const plain = await serveBent(scene.tree);
    try {
      scene.web.bend("MANIFEST", redirect(`${plain.uri}/MANIFEST`));
      await refused(scene, {
        code: "REDIRECT_INSECURE",
        exit: "trust-refused",
        says: [`http://127.0.0.1:${plain.port}`],
      });
      expect(plain.asked).toEqual([]);
    } finally {
      await plain.close();
    }
  });

  scenario("to a scheme that is none of ours is refused", async (scene) => {
    scene.web.bend("MANIFEST", redirect("file:///etc/passwd"));
    await refused(scene, { code: "URI_INVALID", exit: "invalid-content", says: ["file"] });
  });

  scenario("to a portal's page is tried later", async (scene) => {
    scene.web.bend("MANIFEST", redirect(`${scene.web.uri}/login`));
    scene.web.bend("login", answer(200, HTML, PORTAL));
    await refused(scene, { code: "PORTAL", exit: "try-later", says: ["login"] });
  });
});

async function fromServer(scene: Scene, identity: { cert: string; key: string }, refusal: Refusal): Promise<void> {
  const server = await serveBent(scene.tree, identity);
  try {
    scene.goTo(server.uri);
    await refused(scene, refusal);
    expect(server.asked).toEqual([]);
  } finally {
    await server.close();
  }
}
