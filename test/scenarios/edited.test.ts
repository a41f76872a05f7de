/** A person, or another program, edits a file while a run is between its plan and the first file in place: packages and hooks may take minutes there. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, OWN } from "../helpers/snapshot.ts";
import { stubBoard } from "../helpers/stub-board.ts";

const NEW = "/etc/profile.d/fleet.sh";
const NETWORK = "/etc/config/network";

function at(scene: Scene, path: string): string {
  return join(scene.root, path);
}

function append(path: string, text: string): (scene: Scene) => void {
  return (scene) => scene.edit(path, `${scene.device(path) ?? ""}${text}`);
}

/** Edits the device while a module looks at the plan, once; the way the edit is known again afterwards. */
async function editedOnce(scene: Scene, edit: (scene: Scene) => void): Promise<Record<string, unknown>> {
  const board = stubBoard(scene);
  let edited: unknown;
  board.modules.push({
    name: "meanwhile",
    hooks: {
      preapply: () => {
        if (edited !== undefined) return;
        edit(scene);
        edited = contentOf(scene.root, OWN);
      },
    },
  });
  const first = await board.run();
  expect(contentOf(scene.root, OWN), "nothing but the edit").toEqual(edited);
  expect(existsSync(at(scene, "/lib/uciprov/tx/journal"))).toBe(false);
  expect(scene.device("/etc/uciprov/state/failed.json")).toBeUndefined();
  expect(scene.device("/etc/uciprov/state/confirmed.json")).toBeUndefined();
  const second = await board.run();
  if (second instanceof ProvisionError) throw second;
  if (!(first instanceof ProvisionError)) throw new Error(`the first run ended as ${first.result}`);
  const { code, exit, place, message } = first;
  return { code, exit, place, message, next: second.result };
}

const refusedFor = (file: string) => ({
  code: "DEVICE_CHANGED",
  exit: "try-later",
  place: { file },
  message: expect.stringContaining(file),
  next: "changed",
});

describe("an edit between plan and landing is told, and the next run plans with it:", () => {
  scenario("a setting in a file of /etc/config", async (scene) => {
    scene.publish();
    const edit = append(NETWORK, "\nconfig interface 'mine'\n\toption proto 'none'\n");
    expect(await editedOnce(scene, edit)).toEqual(refusedFor(NETWORK));
    expect(scene.device(NETWORK)).toContain("'mine'");
  });

  scenario("its rights alone", async (scene) => {
    scene.publish();
    expect(await editedOnce(scene, (device) => chmodSync(at(device, NETWORK), 0o640))).toEqual(refusedFor(NETWORK));
  });

  scenario("a file of /etc/config that has become a link, and what such a link leads to", async (scene) => {
    scene.publish();
    const linked = (device: Scene) => {
      renameSync(at(device, NETWORK), at(device, "/etc/network.real"));
      symlinkSync("../network.real", at(device, NETWORK));
    };
    expect(await editedOnce(scene, linked)).toEqual(refusedFor(NETWORK));
  });

  scenario("what a link in /etc/config leads to", async (scene) => {
    scene.publish();
    renameSync(at(scene, NETWORK), at(scene, "/etc/network.real"));
    symlinkSync("../network.real", at(scene, NETWORK));
    const edit = append("/etc/network.real", "\nconfig interface 'mine'\n\toption proto 'none'\n");
    expect(await editedOnce(scene, edit)).toEqual(refusedFor(NETWORK));
    expect(scene.device(NETWORK)).toContain("'mine'");
  });

  scenario("a file that is gone", async (scene) => {
    scene.publish();
    expect(await editedOnce(scene, (device) => rmSync(at(device, NETWORK)))).toEqual(refusedFor(NETWORK));
  });

  scenario("a file of an overlay, of the same size and time", async (scene) => {
    scene.edit("/etc/banner", "mine, old\n");
    scene.publish();
    expect(await editedOnce(scene, (device) => device.edit("/etc/banner", "mine, new\n"))).toEqual(
      refusedFor("/etc/banner"),
    );
    expect((await scene.run(["rollback", "0"])).status).toBe(0);
    expect(scene.device("/etc/banner")).toBe("mine, new\n");
  });

  scenario("a file that was not there", async (scene) => {
    scene.publish();
    expect(scene.device(NEW)).toBeUndefined();
    expect(await editedOnce(scene, (device) => device.edit(NEW, "mine\n"))).toEqual(refusedFor(NEW));
    expect((await scene.run(["rollback", "0"])).status).toBe(0);
    expect(scene.device(NEW)).toBe("mine\n");
  });

  scenario("a link in its place", async (scene) => {
    scene.publish();
    mkdirSync(dirname(at(scene, NEW)), { recursive: true });
    expect(await editedOnce(scene, (device) => symlinkSync("nowhere", at(device, NEW)))).toEqual(refusedFor(NEW));
  });
});

scenario("an edit of what the tree does not touch, or to just what it says, keeps nobody", async (scene) => {
  scene.publish();
  const wanted = readFileSync(join(import.meta.dirname, "../../fixtures/trees/first-light/overlay", NEW), "utf8");
  const board = stubBoard(scene);
  board.modules.push({
    name: "meanwhile",
    hooks: {
      preapply: () => {
        scene.edit("/etc/config/mine", "config mine 'mine'\n");
        scene.edit(NEW, wanted);
      },
    },
  });
  expect(await board.run()).toMatchObject({ result: "changed" });
  expect(scene.device(NEW)).toBe(wanted);
});
