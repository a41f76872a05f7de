/** Where is my configuration? Every answer that is none, or none to be used. */
import { describe, expect } from "vitest";
import { DEMO_NAME } from "../../src/admin/demo-bed.ts";
import { RCODE } from "../../src/dns/types.ts";
import { answerTo, txt } from "../dns/build.ts";
import { provisioned, type Refusal, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { type Asked, fakeDns } from "../host/fake-dns.ts";

describe("the name says nothing", () => {
  scenario("without a TXT record there is no URI", async (scene) => {
    scene.bed.names.publish(DEMO_NAME, []);
    await refused(scene, { code: "NO_URI", exit: "no-uri", says: ["dns"] });
  });

  scenario("a TXT record without provuri is somebody else's", async (scene) => {
    scene.txt("v=spf1 -all", "serial=7");
    await refused(scene, { code: "NO_URI", exit: "no-uri", says: ["dns"] });
  });

  scenario("a name that does not exist names no URI", async (scene) => {
    scene.settings({ dns: { name: "_uciprov.nowhere.example", server: [`127.0.0.1#${scene.bed.names.port}`] } });
    await refused(scene, { code: "NO_URI", exit: "no-uri", says: ["dns"] });
  });

  scenario("a device without domain, setting or name server cannot find out, and tries later", async (scene) => {
    scene.edit("/tmp/resolv.conf", "# no server yet\n");
    scene.settings({ dns: { server: [] } });
    await refused(scene, { code: "DNS_FAILED", exit: "try-later", says: ["name server"] });
  });
});

describe("the name server does not answer", () => {
  scenario("SERVFAIL is tried later", async (scene) => {
    await withDns(scene, (asked) => asked.send(answerTo(asked.query, [], { rcode: RCODE.SERVFAIL })), {
      code: "DNS_FAILED",
      exit: "try-later",
      says: ["SERVFAIL", DEMO_NAME],
    });
  });

  scenario("REFUSED is tried later", async (scene) => {
    await withDns(scene, (asked) => asked.send(answerTo(asked.query, [], { rcode: RCODE.REFUSED })), {
      code: "DNS_FAILED",
      exit: "try-later",
      says: ["REFUSED"],
    });
  });

  scenario("silence ends at the deadline and is tried later", async (scene) => {
    await withDns(scene, () => undefined, { code: "DNS_TIMEOUT", exit: "try-later", says: [DEMO_NAME] });
  });

  scenario("an unreachable server is tried later", async (scene) => {
    // A port nobody listens on: the kernel refuses at once.
    scene.settings({ dns: { server: ["127.0.0.1#9"], timeout: "1" } });
    await refused(scene, { code: "DNS_FAILED", exit: "try-later", says: ["127.0.0.1#9"] });
  });

  scenario("answers that are no DNS are tried later", async (scene) => {
    await withDns(
      scene,
      (asked) => {
        const id = Buffer.alloc(2);
        id.writeUInt16BE(asked.query.id);
        asked.send(Buffer.concat([id, Buffer.from([0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 12])]));
      },
      { code: "DNS_FAILED", exit: "try-later", says: [DEMO_NAME] },
    );
  });
});

describe("somebody better knows", () => {
  scenario("a static URI is taken at once, and the process ends although DNS was being asked", async (scene) => {
    const dns = await fakeDns(() => undefined);
    try {
      scene.settings({ static: { base_uri: scene.web.uri }, dns: { server: [dns.server], timeout: "30" } });
      const began = Date.now();
      await provisioned(scene);
      expect(Date.now() - began).toBeLessThan(10_000);
    } finally {
      await dns.close();
    }
  });
});

describe("the record names what is no place to fetch from", () => {
  const refusals: readonly (readonly [title: string, uri: string, says: string])[] = [
    ["file:", "file:///etc/passwd", "scheme is file"],
    ["javascript:", "javascript:alert(1)", "not an absolute URI"],
    ["javascript: with slashes", "javascript://cfg.example/%0aalert(1)", "scheme is javascript"],
    ["ftp:", "ftp://cfg.example/tree", "scheme is ftp"],
    ["a user and password", "https://admin:hunter2@cfg.example/tree", "has a user or password"],
    ["a fragment", "https://cfg.example/tree#part", "`#` cannot stand in a URI"],
    ["a relative reference", "//cfg.example/tree", "not an absolute URI"],
    ["dots out of its folder", "https://cfg.example/tree/%2e%2e/other", "segment"],
    ["an address that parsers read differently", "https://0x7f.1/tree", "host"],
    ["nothing", "", "empty"],
  ];
  for (const [title, uri, says] of refusals) {
    scenario(`a provuri with ${title} is refused`, async (scene) => {
      scene.goTo(uri);
      const { stdout } = await refused(scene, { code: "URI_INVALID", exit: "invalid-content", says: [says] });
      expect(stdout).not.toContain("hunter2");
    });
  }

  scenario("a provuri of 10 kB, over TCP, is refused without being repeated", async (scene) => {
    const uri = `https://cfg.example/${"x".repeat(10_000)}`;
    const strings = (`provuri=${uri}`.match(/.{1,255}/g) ?? []) as string[];
    const dns = await fakeDns(
      (asked) => asked.send(answerTo(asked.query, [], { truncated: true })),
      (asked) => asked.send(answerTo(asked.query, [txt(`${DEMO_NAME}.`, ...strings)])),
    );
    try {
      scene.settings({ dns: { server: [dns.server] } });
      const { stdout } = await refused(scene, { code: "URI_INVALID", exit: "invalid-content", says: ["2048 bytes"] });
      expect(stdout.length).toBeLessThan(2000);
    } finally {
      await dns.close();
    }
  });

  scenario("two different provuri are refused, and both told", async (scene) => {
    scene.bed.names.publish(DEMO_NAME, [["provuri=https://one.example/tree"], ["provuri=https://two.example/tree"]]);
    await refused(scene, { code: "URI_AMBIGUOUS", exit: "invalid-content", says: ["one.example", "two.example"] });
  });

  scenario("a password in one of two provuri is not repeated", async (scene) => {
    const records = [["provuri=https://one.example/tree"], ["provuri=https://admin:hunter2@two.example/tree"]];
    scene.bed.names.publish(DEMO_NAME, records);
    const { stdout } = await refused(scene, { code: "URI_AMBIGUOUS", exit: "invalid-content", says: ["two.example"] });
    expect(stdout).not.toContain("hunter2");
    const explained = await scene.run(["explain"]);
    expect(explained.stdout).toContain("two.example");
    expect(explained.stdout).not.toContain("hunter2");
  });

  scenario("explain shows a provuri without its password", async (scene) => {
    scene.goTo("https://admin:hunter2@cfg.example/tree");
    for (const words of [["explain"], ["resolve"]]) {
      const { stdout, stderr } = await scene.run(words);
      expect(stdout + stderr).toContain("cfg.example");
      expect(stdout + stderr).not.toContain("hunter2");
    }
  });

  scenario("a macro nobody knows is refused, with the nearest known name", async (scene) => {
    scene.goTo("https://cfg.example/{hostnam}/");
    await refused(scene, { code: "MACRO_UNKNOWN", exit: "invalid-content", says: ["hostnam", "hostname"] });
  });
});

async function withDns(scene: Scene, act: (asked: Asked) => void, refusal: Refusal): Promise<void> {
  const dns = await fakeDns(act);
  try {
    scene.settings({ dns: { server: [dns.server], timeout: "1" } });
    await refused(scene, refusal);
  } finally {
    await dns.close();
  }
}
