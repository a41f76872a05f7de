/** A device's first boot from the tree of files that `uciprov image` lays out: nothing on it was set up by hand. */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { DEMO_NAME } from "../../src/admin/demo-bed.ts";
import { fromText } from "../../src/uci/bytes.ts";
import { makeSection } from "../../src/uci/model.ts";
import { printConfig } from "../../src/uci/print.ts";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";

/** Takes away what the scene had set up on the device, and puts the image's files there. */
async function flash(
  scene: Scene,
  own: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>,
): Promise<void> {
  const work = join(scene.bed.folder, "image");
  mkdirSync(join(work, "keys"), { recursive: true });
  const [key = ""] = readdirSync(join(scene.root, "etc/uciprov/keys"));
  cpSync(join(scene.root, "etc/uciprov/keys", key), join(work, "keys/provider.pub"));
  writeFileSync(join(work, "provider.pem"), scene.bed.authority.cert);
  const sections = [
    makeSection("image", undefined, {
      release: "24.10.7",
      target: "x86/64",
      profile: "generic",
      key: ["keys/provider.pub"],
      ca: ["provider.pem"],
    }),
    makeSection("uciprov", "main", { system_ca: "0", tries: "1", ready_seconds: "0", trust: "signed" }),
    ...Object.entries(own).map(([name, options]) => makeSection("uciprov", name, options)),
  ];
  writeFileSync(join(work, "lab.target"), printConfig({ name: fromText("lab"), sections }));
  const laid = await scene.run(["image", join(work, "lab.target"), "--out", join(work, "files")]);
  expect(laid.json).toMatchObject({ exit: "provisioned" });
  for (const path of ["etc/uciprov", "etc/config/uciprov"]) rmSync(join(scene.root, path), { recursive: true });
  cpSync(join(work, "files"), scene.root, { recursive: true });
}

scenario(
  "a device boots the image for the first time, finds its tree, and is provisioned; a second run changes nothing",
  async (scene) => {
    await flash(scene, { dns: { name: DEMO_NAME, server: [`127.0.0.1#${scene.bed.names.port}`], timeout: "5" } });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(scene.device("/etc/uciprov/state/confirmed.json")).toContain(scene.web.uri);
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
  },
);

scenario(
  "an image with a static URI needs no network's word, and refuses a tree of somebody else's key",
  async (scene) => {
    await flash(scene, { static: { base_uri: scene.web.uri }, dns: { enabled: "0" } });
    scene.put("MANIFEST.sig", "untrusted comment: nobody\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n");
    const refused = await scene.run();
    expect(refused.status).toBe(4);
    scene.publish();
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
  },
);
