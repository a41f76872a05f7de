/** Whose device is it? The first confirmed tree says, and nobody but its owner from then on. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { generateKeyPair, printPublicKey } from "../../src/tree/keys.ts";
import { answer, serveBent } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { fingerprintOf } from "../http/certificates.ts";

const OWNER = "/etc/uciprov/state/owner.json";

describe("a device that keys own", () => {
  scenario("refuses a tree that only another key it holds has signed", async (scene) => {
    await provisioned(scene);
    const other = generateKeyPair();
    scene.edit(`/etc/uciprov/keys/${other.publicKey.fingerprint}`, printPublicKey(other.publicKey));
    scene.publish({ serial: 9 }, [other.secretKey]);
    await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: [scene.web.uri] });
  });

  scenario("refuses a tree whose TXT record leads to a stranger's server and key", async (scene) => {
    await provisioned(scene);
    scene.publish({ serial: 9 }, [generateKeyPair().secretKey]);
    const other = await serveBent(scene.tree);
    try {
      scene.goTo(other.uri);
      await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: [other.uri] });
    } finally {
      await other.close();
    }
  });

  for (const policy of ["authentic", "signed", "any"]) {
    scenario(`refuses an unsigned tree, with trust ${policy}, whoever serves it`, async (scene) => {
      await provisioned(scene);
      scene.settings({ main: { trust: policy }, static: { base_uri: scene.web.uri } });
      rmSync(join(scene.tree, "MANIFEST.sig"));
      await refused(scene, { code: "SIGNATURE_MISSING", exit: "trust-refused", says: ["not-signed-by-owner"] }, [
        "run",
        "--force",
      ]);
    });
  }

  scenario("refuses everything while what is written down about its owner cannot be read", async (scene) => {
    await provisioned(scene);
    scene.edit(OWNER, "{}\n");
    await refused(scene, { exit: "failed", says: ["owner.json"] });
    await provisioned(scene, ["reset"]);
    expect(scene.device(OWNER)).toBeUndefined();
    await provisioned(scene);
    expect(scene.device(OWNER)).toContain(scene.bed.key.fingerprint);
  });

  scenario("is let go by reset, and then taken by whom it meets", async (scene) => {
    await provisioned(scene);
    const other = generateKeyPair();
    scene.publish({ serial: 1 }, [other.secretKey]);
    rmSync(join(scene.root, "etc/uciprov/keys", scene.bed.key.fingerprint));
    scene.edit(`/etc/uciprov/keys/${other.publicKey.fingerprint}`, printPublicKey(other.publicKey));
    await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: [] }, ["run", "--force"]);
    await provisioned(scene, ["reset"]);
    await provisioned(scene);
    expect(scene.device(OWNER)).toContain(other.publicKey.fingerprint);
  });
});

describe("a device that an origin owns", () => {
  scenario("goes on with it, and refuses another host, port or CA", async (scene) => {
    await ownedByOrigin(scene);
    expect(JSON.parse(scene.device(OWNER) ?? "")).toMatchObject({
      kind: "origin",
      host: "127.0.0.1",
      port: scene.web.port,
    });
    scene.put("default.uci", "package system\n\nconfig system\n\toption hostname 'second'\n");
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });

    const elsewhere = await serveBent(scene.tree, scene.bed.authority.issue({ names: ["127.0.0.1"] }));
    try {
      elsewhere.bend("MANIFEST", answer(404));
      own(scene, elsewhere.uri);
      await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: ["other-origin"] });
    } finally {
      await elsewhere.close();
    }
    own(scene, scene.web.uri.replace("127.0.0.1", "localhost"));
    await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: ["other-origin"] });
  });

  scenario(
    "refuses the same host and port under another CA that the settings believe, says which two, and goes on after reset",
    async (scene) => {
      await ownedByOrigin(scene);
      const stranger = makeAuthority("another CA");
      scene.edit("/etc/uciprov/other.pem", stranger.cert);
      scene.settings({
        main: { ca: ["/etc/uciprov/ca.pem", "/etc/uciprov/other.pem"] },
        static: { base_uri: scene.web.uri },
      });
      await scene.web.close();
      const impostor = await serveBent(
        scene.tree,
        stranger.issue({ names: ["127.0.0.1"] }),
        "127.0.0.1",
        scene.web.port,
      );
      try {
        impostor.bend("MANIFEST", answer(404));
        impostor.bend("MANIFEST.sig", answer(404));
        const known = [scene.bed.authority.cert, stranger.cert].map((cert) => `known by the CA ${fingerprintOf(cert)}`);
        await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: ["other-origin", ...known] });
        await provisioned(scene, ["reset"]);
        await provisioned(scene);
        expect(scene.device(OWNER)).toContain(fingerprintOf(stranger.cert));
      } finally {
        await impostor.close();
      }
    },
  );

  scenario("refuses the same tree if only the network names it", async (scene) => {
    await ownedByOrigin(scene);
    scene.settings();
    await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: ["source-not-ours"] });
  });

  scenario("is handed over to keys by a signed tree from there, and by that alone", async (scene) => {
    await ownedByOrigin(scene);
    scene.web.straighten();
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(JSON.parse(scene.device(OWNER) ?? "")).toMatchObject({
      kind: "keys",
      fingerprints: [scene.bed.key.fingerprint],
    });
    rmSync(join(scene.tree, "MANIFEST.sig"));
    await refused(scene, { code: "SIGNATURE_MISSING", exit: "trust-refused", says: [] }, ["run", "--force"]);
  });
});

describe("trust any", () => {
  scenario("takes an unsigned tree over http, says so, and writes no owner", async (scene) => {
    rmSync(join(scene.tree, "MANIFEST.sig"));
    const plain = await serveBent(scene.tree);
    try {
      scene.settings({ main: { trust: "any" } });
      scene.goTo(plain.uri);
      const ended = await scene.run();
      expect(ended.json).toMatchObject({ exit: "provisioned", result: "changed" });
      expect(ended.stderr).toContain("trust is `any`");
      expect(scene.device(OWNER)).toBeUndefined();
    } finally {
      await plain.close();
    }
  });
});

/** A tree without manifest from a URI of the settings: the origin alone proves it. */
async function ownedByOrigin(scene: Scene): Promise<void> {
  own(scene, scene.web.uri);
  scene.web.bend("MANIFEST", answer(404));
  scene.web.bend("MANIFEST.sig", answer(404));
  await provisioned(scene);
}

function own(scene: Scene, uri: string): void {
  scene.settings({ static: { base_uri: uri } });
}
