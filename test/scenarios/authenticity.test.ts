/** Whose tree is it? Signatures, keys, serials, dates, digests. */
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { generateKeyPair, printPublicKey } from "../../src/tree/keys.ts";
import { sign } from "../../src/tree/signature.ts";
import { answer, serveBent } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";

const DAY = 86_400_000;

describe("signatures", () => {
  scenario("a manifest that nobody signed is refused", async (scene) => {
    rmSync(join(scene.tree, "MANIFEST.sig"));
    await refused(scene, { code: "UNTRUSTED", exit: "trust-refused", says: ["there is no signature", scene.web.uri] });
  });

  scenario("a URI where no tree is, is told as that, and not as a signature that is missing alone", async (scene) => {
    scene.goTo(`${scene.web.uri}/mistyped`);
    await refused(scene, { code: "UNTRUSTED", exit: "trust-refused", says: ["there is no MANIFEST", "/mistyped"] });
  });

  scenario("under trust signed, a manifest that nobody signed is refused as such", async (scene) => {
    scene.settings({ main: { trust: "signed" } });
    rmSync(join(scene.tree, "MANIFEST.sig"));
    await refused(scene, { code: "SIGNATURE_MISSING", exit: "trust-refused", says: ["there is no signature"] });
  });

  scenario("a key the device does not hold is refused", async (scene) => {
    scene.publish({}, [generateKeyPair().secretKey]);
    await refused(scene, { code: "SIGNATURE_WRONG", exit: "trust-refused", says: ["1 of unknown keys"] });
  });

  scenario("a signature of the device's key over other bytes is refused", async (scene) => {
    const signature = readFileSync(join(scene.tree, "MANIFEST.sig"));
    scene.put("default.uci", "package system\n");
    scene.publish({ serial: 2 });
    scene.put("MANIFEST.sig", signature);
    await refused(scene, { code: "SIGNATURE_WRONG", exit: "trust-refused", says: ["1 wrong"] });
  });

  scenario("a signature file that is none is refused", async (scene) => {
    scene.put("MANIFEST.sig", "untrusted comment: nothing\nAAAA\n");
    const ended = await scene.run();
    expect(ended.json).toMatchObject({ error: { exit: "trust-refused" } });
  });

  scenario("one of two signatures is too few, both are enough", async (scene) => {
    const second = addKey(scene);
    scene.settings({ main: { threshold: "2" } });
    await refused(scene, { code: "SIGNATURES_TOO_FEW", exit: "trust-refused", says: ["1 of 2 signatures are good"] });
    scene.publish({}, [scene.bed.key, scene.bed.key]);
    await refused(scene, { code: "SIGNATURES_TOO_FEW", exit: "trust-refused", says: ["1 of 2 signatures are good"] });
    scene.publish({}, [scene.bed.key, second]);
    await provisioned(scene);
    expect(JSON.parse(scene.device("/etc/uciprov/state/owner.json") ?? "")).toMatchObject({
      kind: "keys",
      threshold: 2,
    });
  });

  scenario("a tree without any manifest, named by DNS, is refused", async (scene) => {
    scene.web.bend("*", answer(404));
    await refused(scene, { code: "UNTRUSTED", exit: "trust-refused", says: [scene.web.uri] });
  });

  scenario("an unsigned tree over http is refused before one of its files is asked for", async (scene) => {
    rmSync(join(scene.tree, "MANIFEST.sig"));
    const plain = await serveBent(scene.tree);
    try {
      scene.goTo(plain.uri);
      await refused(scene, { code: "UNTRUSTED", exit: "trust-refused", says: [plain.uri] });
      expect(plain.asked.map(({ name }) => name).sort()).toEqual(["MANIFEST", "MANIFEST.sig"]);
    } finally {
      await plain.close();
    }
  });

  scenario("a signed tree is taken over plain http, too", async (scene) => {
    const plain = await serveBent(scene.tree);
    try {
      scene.goTo(plain.uri);
      expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    } finally {
      await plain.close();
    }
  });

  scenario("an unsigned own tree over http is refused, too: nobody proves who answered", async (scene) => {
    rmSync(join(scene.tree, "MANIFEST.sig"));
    const plain = await serveBent(scene.tree);
    try {
      scene.settings({ static: { base_uri: plain.uri } });
      await refused(scene, { code: "UNTRUSTED", exit: "trust-refused", says: ["transport-unproven"] });
    } finally {
      await plain.close();
    }
  });
});

describe("freshness", () => {
  scenario("a lower serial is refused, wherever it is served from", async (scene) => {
    scene.publish({ serial: 5 });
    await provisioned(scene);
    scene.publish({ serial: 4 });
    await refused(scene, { code: "SERIAL_LOWER", exit: "trust-refused", says: ["serial 4", "known 5"] });
    const plain = await serveBent(scene.tree);
    try {
      scene.goTo(plain.uri);
      await refused(scene, { code: "SERIAL_LOWER", exit: "trust-refused", says: ["serial 4", "known 5"] });
    } finally {
      await plain.close();
    }
  });

  scenario("the same serial with another content is refused", async (scene) => {
    scene.publish({ serial: 5 });
    await provisioned(scene);
    scene.put("default.uci", "package system\n");
    scene.publish({ serial: 5 });
    await refused(scene, { code: "SERIAL_REUSED", exit: "trust-refused", says: ["serial 5"] });
  });

  scenario("an expired manifest is refused", async (scene) => {
    const now = Math.floor(Date.now() / 1000) * 1000;
    scene.publish({ date: now - 3 * DAY, expires: now - DAY });
    await refused(scene, { code: "MANIFEST_EXPIRED", exit: "trust-refused", says: ["expired", scene.web.uri] });
  });

  scenario(
    "a manifest that expires after it was confirmed is refused, though the server says it is the same",
    async (scene) => {
      scene.publish({ expires: Math.floor(Date.now() / 1000) * 1000 + 4000 });
      await provisioned(scene);
      await new Promise((done) => setTimeout(done, 5000));
      await refused(scene, { code: "MANIFEST_EXPIRED", exit: "trust-refused", says: ["expired"] });
      expect(scene.web.asked.at(-1)).toEqual({ name: "MANIFEST", status: 304 });
    },
  );
});

describe("what MANIFEST says of its files", () => {
  scenario("a file with another digest is refused", async (scene) => {
    scene.put("default.uci", `${readFileSync(join(scene.tree, "default.uci"), "utf8")}\n# tampered\n`);
    scene.put("MANIFEST", readFileSync(join(scene.tree, "MANIFEST")));
    await refused(scene, { code: "DIGEST_MISMATCH", exit: "trust-refused", says: ["default.uci"] });
  });

  scenario("an overlay with another digest is refused", async (scene) => {
    const bytes = readFileSync(join(scene.tree, "overlay.tar.gz"));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    scene.put("overlay.tar.gz", bytes);
    await refused(scene, { code: "DIGEST_MISMATCH", exit: "trust-refused", says: ["overlay.tar.gz"] });
  });

  scenario("a file whose size is not the one of the manifest is refused", async (scene) => {
    const text = manifest(scene).replace(
      /^# size default\.uci (\d+)$/m,
      (_, size: string) => `# size default.uci ${Number(size) + 1}`,
    );
    signAgain(scene, text);
    await refused(scene, { code: "DIGEST_MISMATCH", exit: "trust-refused", says: ["default.uci", "size"] });
  });

  scenario("a file announced above the limit is not asked for", async (scene) => {
    signAgain(scene, manifest(scene).replace(/^# size default\.uci \d+$/m, "# size default.uci 99999999"));
    await refused(scene, { code: "TOO_LARGE", exit: "invalid-content", says: ["default.uci", "99999999"] });
    expect(scene.web.asked.map(({ name }) => name)).not.toContain("default.uci");
  });

  scenario("a file announced above what is free in RAM is not asked for", async (scene) => {
    scene.settings({ limits: { large: "1073741824" } });
    scene.put("overlay.tar.gz", Buffer.alloc(0));
    const digest = createHash("sha256").update("x").digest("hex");
    signAgain(
      scene,
      `# uciprov-manifest 1\n# tree first-light\n# serial 1\n# size overlay.tar.gz 1073741824\n${digest}  overlay.tar.gz\n`,
    );
    const ended = await scene.run();
    // How much is free is this machine's own affair: either there is no room, or the file is not what was announced.
    expect(["NO_SPACE", "DIGEST_MISMATCH"]).toContain(codeOf(ended.json["error"]));
  });

  scenario("a malformed manifest is refused, all faults together with their lines", async (scene) => {
    signAgain(scene, "# uciprov-manifest 1\n# tree first-light\n# serial many\nnot a digest  x\n# size x\n");
    await refused(scene, {
      code: "MANIFEST_INVALID",
      exit: "invalid-content",
      says: ["MANIFEST", '"line":3', '"line":4', '"line":5'],
    });
  });

  for (const name of ["../x", "/etc/passwd", "a//b", "a\\b"]) {
    scenario(`the name ${name} in a manifest is refused`, async (scene) => {
      signAgain(scene, `# uciprov-manifest 1\n# tree t\n# serial 1\n${"0".repeat(64)}  ${name}\n`);
      await refused(scene, { code: "MANIFEST_INVALID", exit: "invalid-content", says: ['"line":4'] });
    });
  }
});

describe("keys on the device", () => {
  scenario("a key file that is none is told and does not keep the good one from counting", async (scene) => {
    scene.edit("/etc/uciprov/keys/0123456789abcdef", "no key\n");
    const ended = await scene.run();
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain("0123456789abcdef");
  });

  scenario("a good key under another key's name does not count", async (scene) => {
    const [own] = [scene.bed.key.fingerprint];
    const text = scene.device(`/etc/uciprov/keys/${own}`) ?? "";
    rmSync(join(scene.root, "etc/uciprov/keys", own));
    scene.edit("/etc/uciprov/keys/0123456789abcdef", text);
    await refused(scene, { code: "SIGNATURE_WRONG", exit: "trust-refused", says: ["unknown keys"] });
  });
});

function addKey(scene: Scene) {
  const { publicKey, secretKey } = generateKeyPair();
  scene.edit(`/etc/uciprov/keys/${publicKey.fingerprint}`, printPublicKey(publicKey));
  return secretKey;
}

function manifest(scene: Scene): string {
  return readFileSync(join(scene.tree, "MANIFEST"), "utf8");
}

/** A manifest of any content, signed by the device's key. */
function signAgain(scene: Scene, text: string): void {
  scene.put("MANIFEST", text);
  scene.put("MANIFEST.sig", sign(Buffer.from(text), scene.bed.key));
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
