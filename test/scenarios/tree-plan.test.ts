/** What `tree plan` says on paper is what `plan` says on the device, and what a run then does. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "tar";
import { expect } from "vitest";
import { generateKeyPair, printPublicKey } from "../../src/tree/keys.ts";
import { provisioned, type Scene, scenario, start } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";

const MAC = "02:00:5e:10:00:01";

function planned(scene: Scene, words: readonly string[]) {
  return start(["tree", "plan", scene.tree, "--json", ...words]);
}

function keyOf(scene: Scene): string {
  return join(scene.root, "etc/uciprov/keys", scene.bed.key.fingerprint);
}

function part(json: Readonly<Record<string, unknown>>, ...path: string[]): unknown {
  let at: unknown = json;
  for (const name of path) at = Object.entries(at ?? {}).find(([key]) => key === name)?.[1];
  return at;
}

scenario("on paper and on the device: the same packages, files, findings and trust", async (scene) => {
  const real = await provisioned(scene, ["plan"]);
  const facts = join(scene.bed.folder, "facts.json");
  writeFileSync(facts, JSON.stringify(await provisioned(scene, ["macros"])));
  const before = [snapshotOf(scene.root), snapshotOf(scene.tree)];
  const paper = await planned(scene, ["--device", facts, "--from", scene.root, "--base", scene.web.uri]);
  expect([snapshotOf(scene.root), snapshotOf(scene.tree)]).toEqual(before);
  expect(paper.status, paper.stderr).toBe(0);
  for (const name of ["packages", "files", "services", "drift", "findings", "changes"])
    expect({ [name]: part(paper.json, "plan", name) }).toEqual({ [name]: part(real, "plan", name) });
  expect(part(paper.json, "plan", "packages")).not.toEqual([]);
  expect(paper.json).toMatchObject({
    version: 1,
    device: { mac: "02005e100001", board: "example,router-one", isFirstBoot: true },
    trust: { verdict: "accepted", by: "signature", signers: [scene.bed.key.fingerprint] },
    layers: expect.arrayContaining([
      expect.objectContaining({ resource: "mac", found: expect.objectContaining({ name: "02005e100001.uci" }) }),
      expect.objectContaining({ resource: "services", tries: ["services-fd", "services"] }),
    ]),
  });
  expect(paper.stdout).not.toContain("a secret of the fleet");

  await provisioned(scene);
  const again = await planned(scene, ["--device", facts, "--from", scene.root, "--base", scene.web.uri]);
  expect(again.json).toMatchObject({ exit: "provisioned", plan: { packages: [], files: [], changes: 0 } });
});

scenario("a backup of the device says the same as its folder", async (scene) => {
  const backup = join(scene.bed.folder, "backup.tar.gz");
  chmodSync(join(scene.root, "etc/config/uciprov"), 0o600);
  await create({ cwd: scene.root, file: backup, gzip: true, portable: true }, ["etc"]);
  const words = ["--mac", MAC, "--key", keyOf(scene)];
  const fromFolder = await planned(scene, [...words, "--from", scene.root]);
  const fromBackup = await planned(scene, [...words, "--from", backup]);
  expect(fromBackup.status, fromBackup.stdout).toBe(0);
  expect(part(fromBackup.json, "plan", "packages")).toEqual(part(fromFolder.json, "plan", "packages"));
  writeFileSync(backup, readFileSync(backup).subarray(0, 2000));
  expect(await planned(scene, [...words, "--from", backup])).toMatchObject({
    status: 5,
    json: { error: { code: "ARCHIVE_INVALID", place: { file: backup } } },
  });
});

scenario("trust is told: accepted, not judged, refused; what is refused is planned all the same", async (scene) => {
  const plain = await planned(scene, ["--mac", MAC]);
  expect(plain).toMatchObject({
    status: 0,
    json: { trust: { verdict: "unknown" }, plan: { tree: { name: "first-light" } } },
  });
  const stranger = generateKeyPair().publicKey;
  const file = join(scene.bed.folder, "stranger.pub");
  writeFileSync(file, printPublicKey(stranger));
  expect(await planned(scene, ["--mac", MAC, "--key", file])).toMatchObject({
    status: 4,
    json: { exit: "trust-refused", trust: { verdict: "refused", error: { exit: "trust-refused" } }, plan: {} },
  });
  scene.publish({ serial: 2, date: Date.UTC(2026, 0, 1), expires: Date.UTC(2026, 0, 2) });
  expect(await planned(scene, ["--mac", MAC, "--key", keyOf(scene)])).toMatchObject({
    status: 4,
    json: { trust: { verdict: "refused", error: { code: "MANIFEST_EXPIRED" } }, plan: {} },
  });
  scene.publish({ serial: 3 });
  scene.put("default.uci", "package system\n");
  expect(await planned(scene, ["--mac", MAC, "--key", keyOf(scene)])).toMatchObject({
    status: 4,
    json: { error: { code: "DIGEST_MISMATCH" } },
  });
});

scenario(
  "a faulty tree is told with file and line; a file that the manifest does not list is pointed out",
  async (scene) => {
    scene.put("02005e100001.uci", "package system\nconfig system\n\toption 'x\n");
    scene.publish({ serial: 2 });
    expect(await planned(scene, ["--mac", MAC, "--key", keyOf(scene)])).toMatchObject({
      status: 5,
      json: {
        error: {
          code: "UCI_INVALID",
          findings: expect.arrayContaining([
            expect.objectContaining({
              place: { file: expect.stringMatching(/02005e100001\.uci$/), line: 3, byte: 12 },
            }),
          ]),
        },
      },
    });
    rmSync(join(scene.tree, "02005e100001.uci"));
    scene.publish({ serial: 3 });
    scene.put("02005e100001.uci", "package system\n");
    const ended = await planned(scene, ["--mac", MAC, "--key", keyOf(scene)]);
    expect(part(ended.json, "layers")).toContainEqual(
      expect.objectContaining({ resource: "mac", untaken: { name: "02005e100001.uci", why: "unlisted" } }),
    );
  },
);

scenario("words that are none are refused, and name what is wrong", async (scene) => {
  const facts = join(scene.bed.folder, "facts.json");
  const cases: [readonly string[], number, string][] = [
    [["--mac", "02:00:5e:10:00"], 2, "is no MAC"],
    [[], 2, "tree plan DIR"],
    [["--mac", MAC, "--against", scene.tree], 2, "for a fleet"],
    [["--mac", MAC, "--from", "/nowhere"], 2, "neither a folder nor a backup"],
    [["--mac", MAC, "--key", "/nowhere"], 2, "cannot be read"],
    [["--mac", MAC, "--key", join(scene.root, "etc/config/system")], 4, "is no public key"],
    [["--mac", MAC, "--base", "ftp://x/"], 5, "scheme is ftp"],
    [["--device", facts], 5, "JSON"],
  ];
  writeFileSync(facts, "{");
  for (const [words, status, says] of cases) {
    const ended = await planned(scene, words);
    expect({ words, status: ended.status }).toEqual({ words, status });
    expect(ended.stdout).toContain(says);
  }
  mkdirSync(join(scene.bed.folder, "empty"));
  expect(await start(["tree", "plan", join(scene.bed.folder, "nothing"), "--mac", MAC, "--json"])).toMatchObject({
    status: 2,
  });
});
