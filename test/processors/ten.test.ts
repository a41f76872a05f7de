/**
 * Ten scenarios for the program on other processors: what depends on the order of bytes, on the width of numbers, or on how a system call is emulated.
 * `UCIPROV_NODE` names the Node that runs it, with the words before it (`qemu-s390x-static -L /usr/s390x-linux-gnu …/bin/node`); the test itself runs here.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { generateKeyPair, printPublicKey, printSecretKey } from "../../src/tree/keys.ts";
import { provisioned, refused, type Scene, scenario, start } from "../helpers/scenario.ts";
import { contentOf, snapshotOf } from "../helpers/snapshot.ts";
import { tarGz } from "../helpers/tar.ts";

const SYSTEM = "/etc/config/system";
const OWN = ["/etc/uciprov/state", "/lib"];
const DIE_AT = join(import.meta.dirname, "../helpers/die-at.cjs");

scenario(
  "the first run proves the tree over TLS, applies and confirms it; the second writes nothing",
  async (scene) => {
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 1 });
    expect(scene.device(SYSTEM)).toContain("option hostname 'attic'");
    const before = snapshotOf(scene.root);
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(snapshotOf(scene.root)).toEqual(before);
  },
);

scenario("a beacon's serial ends the run after one DNS query", async (scene) => {
  scene.txt(`provuri=${scene.web.uri}`, "serial=42");
  await provisioned(scene);
  scene.web.asked.length = 0;
  expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
  expect(scene.web.asked).toEqual([]);
});

scenario("a key the device does not hold, and one flipped bit of a signature, are refused", async (scene) => {
  scene.publish({}, [generateKeyPair().secretKey]);
  await refused(scene, { code: "SIGNATURE_WRONG", exit: "trust-refused", says: ["1 of unknown keys"] });
  scene.publish();
  const [comment = "", blob = ""] = readFileSync(join(scene.tree, "MANIFEST.sig"), "utf8").split("\n");
  const bytes = Buffer.from(blob, "base64");
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  scene.put("MANIFEST.sig", `${comment}\n${bytes.toString("base64")}\n`);
  await refused(scene, { code: "SIGNATURE_WRONG", exit: "trust-refused", says: ["1 wrong"] });
});

scenario("an overlay of 300 files and 1 MB lies on the device byte for byte", async (scene) => {
  const files = Array.from({ length: 300 }, (_, n) => ({ name: `srv/f${n}`, body: `${n}:`.repeat(1 + n * 7) }));
  scene.put("overlay.tar.gz", tarGz(...files));
  scene.publish({ serial: 2 });
  await provisioned(scene);
  for (const { name, body } of files) expect(scene.device(`/${name}`)).toBe(body);
});

scenario("an overlay that leaves the root is refused", async (scene) => {
  scene.put("overlay.tar.gz", tarGz({ name: "../evil", body: "x" }));
  scene.publish({ serial: 2 });
  await refused(scene, { code: "ARCHIVE_UNSAFE", exit: "invalid-content", says: ["../evil"] });
});

scenario("UCI text of every byte comes back as it was, through import, export and show", async (scene) => {
  const odd = Buffer.from(
    Array.from({ length: 255 }, (_, n) => n + 1).filter((byte) => byte !== 10 && byte !== 13 && byte !== 39),
  );
  const text = Buffer.concat([
    Buffer.from("package odd\n\nconfig thing 'one'\n\toption all '"),
    odd,
    Buffer.from("'\n\n"),
  ]);
  const file = join(scene.bed.folder, "odd.uci");
  writeFileSync(file, text);
  writeFileSync(join(scene.root, "etc/config/odd"), "");
  const words = ["uci", "-c", join(scene.root, "etc/config")];
  expect((await start([...words, "-f", file, "import", "odd"])).status).toBe(0);
  expect(readFileSync(join(scene.root, "etc/config/odd")).includes(odd)).toBe(true);
  expect(await start([...words, "get", "odd.one"])).toMatchObject({ status: 0, stdout: "thing\n" });
});

scenario("what DHCP said names the tree, by the length prefixes of option 143", async (scene) => {
  scene.bed.names.publish("_uciprov.fleet.example", []);
  const uri = Buffer.from(scene.web.uri);
  const list = Buffer.concat([Buffer.of(uri.length >> 8, uri.length & 255), uri]);
  scene.edit("/var/run/uciprov/dhcp/wan.v4", `opt143=${list.toString("hex")}\0`);
  expect(await provisioned(scene)).toMatchObject({ result: "changed" });
});

scenario("a configuration that cuts the device off is taken back", async (scene) => {
  const before = contentOf(scene.root, [...OWN, "/etc/config/uciprov"]);
  scene.settings({ confirm: { window: "5", probe: ["https://127.0.0.1:9/"], bisect: "0" } });
  const ended = await scene.run();
  expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED", exit: "rolled-back" } });
  expect(contentOf(scene.root, [...OWN, "/etc/config/uciprov"])).toEqual(before);
});

scenario("killed while files are put in place, the next run has the old ones back", async (scene) => {
  const before = contentOf(scene.root, OWN);
  const killed = await scene.run(["run"], { preload: DIE_AT, env: { UCIPROV_TEST_STATE: "applying" } });
  expect(killed.status).not.toBe(0);
  scene.txt("nothing");
  expect((await scene.run()).status).toBe(3);
  expect(contentOf(scene.root, OWN)).toEqual(before);
  expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
});

scenario("a tree is signed there as it is signed here, and the device takes it", async (scene) => {
  const { publicKey, secretKey } = generateKeyPair();
  const key = join(scene.bed.folder, "key.sec");
  writeFileSync(key, printSecretKey(secretKey), { mode: 0o600 });
  writeFileSync(join(scene.root, "etc/uciprov/keys", publicKey.fingerprint), printPublicKey(publicKey));
  const signed = await start(["tree", "sign", scene.tree, "--key", key, "--name", "first-light", "--serial", "9"]);
  expect(signed.status, signed.stderr).toBe(0);
  const there = filesOf(scene);
  scene.publish({ serial: 9 }, [secretKey]);
  const here = filesOf(scene);
  expect(entries(there.manifest)).toEqual(entries(here.manifest));
  rmSync(join(scene.tree, "MANIFEST.sig"));
  writeFileSync(join(scene.tree, "MANIFEST"), there.manifest);
  writeFileSync(join(scene.tree, "MANIFEST.sig"), there.signature);
  expect(await provisioned(scene)).toMatchObject({ result: "changed" });
});

function filesOf(scene: Scene): { manifest: string; signature: string } {
  const read = (name: string) => readFileSync(join(scene.tree, name), "utf8");
  return { manifest: read("MANIFEST"), signature: read("MANIFEST.sig") };
}

/** The lines of a manifest that do not depend on when it was made. */
function entries(manifest: string): string[] {
  return manifest.split("\n").filter((line) => !/^# (?:date|expires)/.test(line));
}
