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

/** Edits the device while a module looks at the plan, `times` times; what the run comes to, and what it says of it. */
async function edited(scene: Scene, times: number, edit: (scene: Scene) => void) {
  const board = stubBoard(scene);
  let since: unknown;
  let left = times;
  board.modules.push({
    name: "meanwhile",
    hooks: {
      preapply: () => {
        if (left-- <= 0) return;
        edit(scene);
        since = contentOf(scene.root, OWN);
      },
    },
  });
  const ended = await board.run();
  return { ended, since, board, log: board.log.join("\n") };
}

/** What of it counts, after one edit. */
async function editedOnce(scene: Scene, edit: (scene: Scene) => void): Promise<unknown> {
  const { ended, log } = await edited(scene, 1, edit);
  if (ended instanceof ProvisionError) throw ended;
  return { result: ended.result, told: log.split("\n").filter((line) => line.includes("somebody has edited")) };
}

const plannedAgainFor = (file: string) => ({
  result: "changed",
  told: [`warning: somebody has edited ${file} since the plan was made: it is planned again`],
});

scenario(
  "who goes on editing keeps the device as it is, with the edit, and the next run plans with it",
  async (scene) => {
    scene.publish();
    let count = 0;
    const edit = () => append(NETWORK, `\nconfig interface 'mine${++count}'\n\toption proto 'none'\n`)(scene);
    const { ended, since, board } = await edited(scene, 3, edit);
    expect(ended).toMatchObject({ code: "DEVICE_CHANGED", exit: "try-later", place: { file: NETWORK } });
    expect(contentOf(scene.root, OWN), "nothing but the edits").toEqual(since);
    expect(existsSync(at(scene, "/lib/uciprov/tx/journal"))).toBe(false);
    expect(scene.device("/etc/uciprov/state/failed.json")).toBeUndefined();
    expect(scene.device("/etc/uciprov/state/confirmed.json")).toBeUndefined();
    expect(await board.run()).toMatchObject({ result: "changed" });
    expect(scene.device(NETWORK)).toContain("'mine3'");
  },
);

scenario("a key that somebody adds while later modules plan stays", async (scene) => {
  const KEYS = "/etc/dropbear/authorized_keys";
  const mine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVmKTeQWlsmkB46A2MmDVV3I9HHRfDNPNuQwsNKiQKE me";
  scene.publish();
  const board = stubBoard(scene);
  const plan = (): [] => {
    if (!scene.device(KEYS)?.includes(mine)) append(KEYS, `${mine}\n`)(scene);
    return [];
  };
  board.modules.push({ name: "slow", plan });
  expect(await board.run()).toMatchObject({ result: "changed" });
  expect(scene.device(KEYS)).toContain(mine);
});

scenario("a link in /etc/config to more than a megabyte is no edit", async (scene) => {
  scene.publish();
  scene.edit("/etc/network.real", `${scene.device(NETWORK)}\n${`#${"x".repeat(99)}\n`.repeat(12_000)}`);
  rmSync(at(scene, NETWORK));
  symlinkSync("../network.real", at(scene, NETWORK));
  expect(await stubBoard(scene).run()).toMatchObject({ result: "changed" });
});

scenario(
  "who edits the settings of the run itself is waited for by the next one, which goes by them",
  async (scene) => {
    const own = "/etc/config/uciprov";
    scene.put("default.uci", "package uciprov\n\nconfig uciprov 'main'\n\toption tries '7'\n");
    scene.publish();
    const { ended, board } = await edited(
      scene,
      1,
      append(own, "\nconfig uciprov 'main'\n\tlist protect '/etc/banner'\n"),
    );
    expect(ended).toMatchObject({ code: "DEVICE_CHANGED", place: { file: own } });
    const banner = scene.device("/etc/banner");
    expect(await board.run()).toMatchObject({ result: "changed" });
    expect(scene.device(own)).toContain("tries '7'");
    expect(scene.device("/etc/banner")).toBe(banner);
  },
);

scenario("who edits twice is waited for", async (scene) => {
  scene.publish();
  let count = 0;
  const edit = () => append(NETWORK, `\nconfig interface 'mine${++count}'\n\toption proto 'none'\n`)(scene);
  const { ended } = await edited(scene, 2, edit);
  expect(ended).toMatchObject({ result: "changed" });
  expect(scene.device(NETWORK)).toContain("'mine2'");
});

describe("an edit between plan and landing is told, and planned with at once:", () => {
  scenario("a setting in a file of /etc/config", async (scene) => {
    scene.publish();
    const edit = append(NETWORK, "\nconfig interface 'mine'\n\toption proto 'none'\n");
    expect(await editedOnce(scene, edit)).toEqual(plannedAgainFor(NETWORK));
    expect(scene.device(NETWORK)).toContain("'mine'");
  });

  scenario("its rights alone", async (scene) => {
    scene.publish();
    expect(await editedOnce(scene, (device) => chmodSync(at(device, NETWORK), 0o640))).toEqual(
      plannedAgainFor(NETWORK),
    );
  });

  scenario("a file of /etc/config that has become a link, and what such a link leads to", async (scene) => {
    scene.publish();
    const linked = (device: Scene) => {
      renameSync(at(device, NETWORK), at(device, "/etc/network.real"));
      symlinkSync("../network.real", at(device, NETWORK));
    };
    expect(await editedOnce(scene, linked)).toEqual(plannedAgainFor(NETWORK));
  });

  scenario("what a link in /etc/config leads to", async (scene) => {
    scene.publish();
    renameSync(at(scene, NETWORK), at(scene, "/etc/network.real"));
    symlinkSync("../network.real", at(scene, NETWORK));
    const edit = append("/etc/network.real", "\nconfig interface 'mine'\n\toption proto 'none'\n");
    expect(await editedOnce(scene, edit)).toEqual(plannedAgainFor(NETWORK));
    expect(scene.device(NETWORK)).toContain("'mine'");
  });

  scenario("a file that is gone", async (scene) => {
    scene.publish();
    expect(await editedOnce(scene, (device) => rmSync(at(device, NETWORK)))).toEqual(plannedAgainFor(NETWORK));
  });

  scenario("a file of an overlay, of the same size and time", async (scene) => {
    scene.edit("/etc/banner", "mine, old\n");
    scene.publish();
    expect(await editedOnce(scene, (device) => device.edit("/etc/banner", "mine, new\n"))).toEqual(
      plannedAgainFor("/etc/banner"),
    );
    expect((await scene.run(["rollback", "0"])).status).toBe(0);
    expect(scene.device("/etc/banner")).toBe("mine, new\n");
  });

  scenario("a file that was not there", async (scene) => {
    scene.publish();
    expect(scene.device(NEW)).toBeUndefined();
    expect(await editedOnce(scene, (device) => device.edit(NEW, "mine\n"))).toEqual(plannedAgainFor(NEW));
    expect((await scene.run(["rollback", "0"])).status).toBe(0);
    expect(scene.device(NEW)).toBe("mine\n");
  });

  scenario("a link in its place", async (scene) => {
    scene.publish();
    mkdirSync(dirname(at(scene, NEW)), { recursive: true });
    expect(await editedOnce(scene, (device) => symlinkSync("nowhere", at(device, NEW)))).toEqual(plannedAgainFor(NEW));
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
