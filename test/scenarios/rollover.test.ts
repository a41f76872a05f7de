/** An owner's keys change hands by what the old ones signed, with the tree and back with it. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { generateKeyPair, printPublicKey, type SecretKey } from "../../src/tree/keys.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { sign } from "../../src/tree/signature.ts";
import { answer } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, OWN, snapshotOf } from "../helpers/snapshot.ts";

const OWNER = "/etc/uciprov/state/owner.json";
const CUT_OFF = { confirm: { window: "5", bisect: "0", probe: ["https://127.0.0.1:9/"] } };
const REFUSED = { code: "NOT_THE_OWNER", exit: "trust-refused", says: [] } as const;

describe("a key exchanged for another", () => {
  scenario("counts from the confirmation on, and the old one no longer", async (scene) => {
    const [old, next] = [scene.bed.key, generateKeyPair().secretKey];
    await provisioned(scene);
    exchange(scene, 2, { add: [next], remove: [old] }, [old, next]);
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(keysOf(scene)).toEqual([next.fingerprint]);
    expect(ownersOf(scene)).toEqual([next.fingerprint]);

    const before = snapshotOf(scene.root);
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(snapshotOf(scene.root)).toEqual(before);
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ exit: "provisioned" });

    scene.publish({ serial: 3 }, [old]);
    await refused(scene, REFUSED);
    describedAs(scene, "by-the-new-key");
    scene.publish({ serial: 3 }, [next]);
    await provisioned(scene);
    expect(scene.device("/etc/config/system")).toContain("by-the-new-key");
  });

  scenario("is exchanged in the first tree the device ever takes, too", async (scene) => {
    const [old, next] = [scene.bed.key, generateKeyPair().secretKey];
    exchange(scene, 1, { add: [next], remove: [old] }, [old, next]);
    await provisioned(scene);
    expect(keysOf(scene)).toEqual([next.fingerprint]);
    expect(ownersOf(scene)).toEqual([next.fingerprint]);
  });

  scenario("stays the old one if the trial fails, and can be exchanged later", async (scene) => {
    const [old, next] = [scene.bed.key, generateKeyPair().secretKey];
    await provisioned(scene);
    const owner = scene.device(OWNER);
    exchange(scene, 2, { add: [next], remove: [old] }, [old, next]);
    scene.settings(CUT_OFF);
    const before = contentOf(scene.root, OWN);
    const ended = await scene.run();
    expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED", exit: "rolled-back" } });
    expect(contentOf(scene.root, OWN)).toEqual(before);
    expect(keysOf(scene)).toEqual([old.fingerprint]);
    expect(scene.device(OWNER)).toBe(owner);

    scene.settings();
    await provisioned(scene);
    expect(ownersOf(scene)).toEqual([next.fingerprint]);
  });

  scenario("does not come back when a person goes back to an earlier generation", async (scene) => {
    const [old, next] = [scene.bed.key, generateKeyPair().secretKey];
    await provisioned(scene);
    exchange(scene, 2, { add: [next], remove: [old] }, [old, next]);
    await provisioned(scene);
    describedAs(scene, "third");
    scene.publish({ serial: 3 }, [next]);
    await provisioned(scene);
    await scene.run(["rollback", "1"]);
    expect(keysOf(scene)).toEqual([next.fingerprint]);
    expect(ownersOf(scene)).toEqual([next.fingerprint]);
    describedAs(scene, "fourth");
    scene.publish({ serial: 4 }, [next]);
    await provisioned(scene);
    expect(scene.device("/etc/config/system")).toContain("fourth");
  });
});

describe("a key added", () => {
  scenario("signs as good as the first one", async (scene) => {
    const [first, second] = [scene.bed.key, generateKeyPair().secretKey];
    await provisioned(scene);
    exchange(scene, 2, { add: [second] }, [first]);
    await provisioned(scene);
    expect(ownersOf(scene)).toEqual([first.fingerprint, second.fingerprint].sort());
    for (const [serial, key] of [
      [3, second],
      [4, first],
    ] as const) {
      describedAs(scene, `number-${serial}`);
      scene.publish({ serial }, [key]);
      await provisioned(scene);
      expect(scene.device("/etc/config/system")).toContain(`number-${serial}`);
    }
  });

  scenario(
    "is not added if its file is another key's, is not what the manifest lists, or is not there",
    async (scene) => {
      const [old, next, other] = [scene.bed.key, generateKeyPair().secretKey, generateKeyPair().secretKey];
      await provisioned(scene);
      const name = `keys/${next.fingerprint}`;

      exchange(scene, 2, { add: [next] }, [old], printPublicKey({ ...other, fingerprint: other.fingerprint }));
      await refused(scene, { code: "KEY_INVALID", exit: "trust-refused", says: [next.fingerprint] });
      exchange(scene, 2, { add: [next] }, [old]);
      scene.put(name, printPublicKey({ ...next, bytes: other.bytes }));
      await refused(scene, { code: "DIGEST_MISMATCH", exit: "trust-refused", says: [name] });
      scene.web.bend(name, answer(404));
      await refused(scene, { code: "HTTP_NOT_FOUND", exit: "invalid-content", says: [name] });
    },
  );

  scenario("needs the old threshold; removing below it is refused", async (scene) => {
    const [first, second, third] = [scene.bed.key, generateKeyPair().secretKey, generateKeyPair().secretKey];
    scene.edit(`/etc/uciprov/keys/${second.fingerprint}`, printPublicKey(second));
    scene.settings({ main: { threshold: "2" } });
    scene.publish({}, [first, second]);
    await provisioned(scene);
    exchange(scene, 2, { add: [third] }, [first, third]);
    await refused(scene, { code: "SIGNATURES_TOO_FEW", exit: "trust-refused", says: [] });
    exchange(scene, 2, { remove: [second] }, [first, second]);
    await refused(scene, { code: "KEY_INVALID", exit: "trust-refused", says: ["2 keys must remain"] });
    exchange(scene, 2, { add: [third], remove: [second] }, [first, second, third]);
    await provisioned(scene);
    expect(ownersOf(scene)).toEqual([first.fingerprint, third.fingerprint].sort());
    scene.publish({ serial: 3 }, [first, second]);
    await refused(scene, { code: "SIGNATURES_TOO_FEW", exit: "trust-refused", says: [] });
    scene.publish({ serial: 3 }, [first, third]);
    await provisioned(scene);
  });
});

/** Publishes the tree with `# key` lines, signed by these; `file` stands where the added key's file should. */
function exchange(
  scene: Scene,
  serial: number,
  keys: { readonly add?: readonly SecretKey[]; readonly remove?: readonly SecretKey[] },
  signers: readonly SecretKey[],
  file?: string,
): void {
  const { add = [], remove = [] } = keys;
  rmSync(join(scene.tree, "keys"), { recursive: true, force: true });
  mkdirSync(join(scene.tree, "keys"));
  for (const key of add) scene.put(`keys/${key.fingerprint}`, file ?? printPublicKey(key));
  scene.publish({ serial });
  const content = parseManifest(readFileSync(join(scene.tree, "MANIFEST")), { file: "MANIFEST" });
  const lines = [
    ...add.map(({ fingerprint }) => ({ act: "add", fingerprint }) as const),
    ...remove.map(({ fingerprint }) => ({ act: "remove", fingerprint }) as const),
  ];
  const bytes = printManifest({ ...content, keys: lines });
  scene.put("MANIFEST", bytes);
  scene.put("MANIFEST.sig", signers.map((key) => sign(bytes, key)).join(""));
}

function describedAs(scene: Scene, name: string): void {
  scene.put("default.uci", `package system\n\nconfig system\n\toption description '${name}'\n`);
}

function keysOf(scene: Scene): string[] {
  return readdirSync(join(scene.root, "etc/uciprov/keys")).sort();
}

function ownersOf(scene: Scene): unknown {
  return JSON.parse(scene.device(OWNER) ?? "{}").fingerprints;
}
