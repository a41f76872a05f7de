import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { type Module, reboot } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { answer } from "../helpers/bent-web.ts";
import { type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, OWN, snapshotOf } from "../helpers/snapshot.ts";
import { type Board, reboots, stubBoard } from "../helpers/stub-board.ts";
import { hasAsh, recoverShAtBoot, skipsShell } from "../transaction/recover-shell.ts";

/** The kernel's own, as recover.sh reads it: the boot after the reboot. */
const THIS_BOOT = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
const SETTINGS = { main: { reboot: ["network"] }, confirm: { window: "20" } };

/** Everything of the RAM is gone, and recover.sh has run before the network. */
function boot(scene: Scene, board: Board, withRecovery = true): void {
  if (withRecovery) expect(recoverShAtBoot(scene.root)).toBe(0);
  board.bootId = THIS_BOOT;
  board.uptime = 30;
}

function journal(scene: Scene): Record<string, string> | undefined {
  const text = scene.device("/lib/uciprov/tx/journal");
  return text === undefined
    ? undefined
    : Object.fromEntries(
        text.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
}

const isFailure = (outcome: unknown): string =>
  outcome instanceof ProvisionError ? outcome.code : JSON.stringify(outcome).slice(0, 200);

async function onTrial(
  act: (scene: Scene, board: Board, before: unknown) => Promise<void>,
  scene: Scene,
): Promise<void> {
  scene.settings(SETTINGS);
  scene.publish();
  const board = stubBoard(scene);
  const before = contentOf(scene.root, OWN);
  expect(await board.run()).toMatchObject({ result: "rebooting", plan: { reboots: ["network changes"] } });
  expect(board.calls.filter((call) => /reload|reboot/.test(call))).toEqual(["reboot"]);
  expect(journal(scene)).toMatchObject({ state: "trial", "reboot-allowed": "1", rebooted: "" });
  await act(scene, board, before);
}

/** Takes the tree's server away, as a configuration does that cuts the device off. */
function cutOff(scene: Scene): void {
  scene.web.bend("*", (request) => void request.socket.destroy());
}

describe.skipIf(skipsShell)("a plan that reboots", () => {
  scenario("is confirmed after the reboot, in the same run that looks at the tree again", (scene) =>
    onTrial(async (_, board) => {
      boot(scene, board);
      expect(journal(scene)).toMatchObject({ state: "trial", "reboot-allowed": "0", rebooted: THIS_BOOT });
      const seen = board.calls.length;
      expect(await board.run()).toMatchObject({ result: "unchanged" });
      expect(board.log.join("\n")).toContain("generation 1 is confirmed after its reboot");
      expect(journal(scene)).toBeUndefined();
      expect(board.calls.slice(seen).filter((call) => call === "reboot")).toEqual([]);
      // What is so already asks for no reboot.
      expect(await board.run({ isForced: true })).toMatchObject({ result: "recorded", plan: { reboots: [] } });
      expect(board.calls.filter((call) => call === "reboot")).toHaveLength(1);
    }, scene),
  );

  scenario(
    "is taken back if it does not prove itself, and the device restarts once more; three such tries and the tree is bad",
    (scene) =>
      onTrial(async (_, board, before) => {
        for (const attempts of [1, 2, 3]) {
          boot(scene, board);
          cutOff(scene);
          expect(isFailure(await board.run())).toBe("NOT_CONFIRMED");
          expect(contentOf(scene.root, OWN)).toEqual(before);
          expect(journal(scene)).toBeUndefined();
          expect(JSON.parse(scene.device("/etc/uciprov/state/failed.json") ?? "")).toMatchObject({ attempts });
          expect(board.calls.filter((call) => call === "reboot")).toHaveLength(2 * attempts);
          scene.web.straighten();
          board.bootId = "22222222-2222-4222-8222-222222222222";
          const next = await board.run();
          if (attempts < 3) expect(next).toMatchObject({ result: "rebooting" });
          else expect(isFailure(next)).toBe("GENERATION_BAD");
        }
      }, scene),
  );

  scenario("is taken back at the boot after the next, if nobody confirmed it in the one between", (scene) =>
    onTrial(async (_, board, before) => {
      boot(scene, board);
      boot(scene, board);
      expect(contentOf(scene.root, OWN)).toEqual(before);
      expect(journal(scene)).toMatchObject({ state: "rolled-back" });
      await board.run();
      expect(board.log.join("\n")).toContain("was taken back: cut while trial");
      expect(JSON.parse(scene.device("/etc/uciprov/state/failed.json") ?? "")).toMatchObject({ attempts: 1 });
    }, scene),
  );

  scenario("is taken back by `rollback` after its reboot, before a run has looked, and is not tried again", (scene) =>
    onTrial(async (_, board, before) => {
      boot(scene, board);
      const ended = await scene.run(["rollback"]);
      expect(ended.json).toMatchObject({ exit: "provisioned", generation: 0 });
      expect(ended.json["paths"]).toContain("/etc/config/network");
      expect(contentOf(scene.root, OWN)).toEqual(before);
      expect(journal(scene)).toBeUndefined();
      expect(isFailure(await board.run())).toBe("GENERATION_BAD");
      const failed = JSON.parse(scene.device("/etc/uciprov/state/failed.json") ?? "");
      expect(failed).toMatchObject({ attempts: 3, reason: expect.stringMatching(/^taken back by hand/) });
      // Nor may anybody offer an older one in its stead.
      expect(scene.device("/etc/uciprov/state/freshness.json")).toContain('"serial":1');
    }, scene),
  );

  scenario("whose window has passed before anybody came is taken back", (scene) =>
    onTrial(async (_, board, before) => {
      boot(scene, board);
      board.uptime = 600;
      expect(isFailure(await board.run())).toBe("NOT_CONFIRMED");
      expect(contentOf(scene.root, OWN)).toEqual(before);
    }, scene),
  );

  scenario("is confirmed by a run that finds no recover.sh has been there", (scene) =>
    onTrial(async (_, board) => {
      boot(scene, board, false);
      expect(await board.run()).toMatchObject({ result: "unchanged" });
      expect(board.watchers).toEqual([expect.any(Number), expect.any(Number)]);
      expect(journal(scene)).toBeUndefined();
    }, scene),
  );

  scenario("is confirmed also by a run that would do nothing once a generation is confirmed", async (scene) => {
    scene.publish();
    const board = stubBoard(scene);
    expect(await board.run()).toMatchObject({ result: "changed" });
    scene.settings(SETTINGS);
    scene.put("02005e100001.uci", "package network\nconfig interface 'extra'\n\toption proto 'none'\n");
    scene.publish({ serial: 2 });
    expect(await board.run()).toMatchObject({ result: "rebooting" });
    boot(scene, board);
    // The kernel's own uptime is the host's here: the window has passed, and the trial goes back rather than staying open.
    const ended = await scene.run(["run", "--first-only"]);
    expect(ended.json).not.toHaveProperty("result");
    expect(journal(scene)).toBeUndefined();
    expect((await scene.run(["run", "--first-only"])).stdout).toContain("nothing to do");
  });

  scenario("and a captive portal after it: that proves nothing", (scene) =>
    onTrial(async (_, board, before) => {
      boot(scene, board);
      scene.web.bend("*", answer(200, { "content-type": "text/html" }, "<html>log in</html>"));
      expect(isFailure(await board.run())).toBe("NOT_CONFIRMED");
      expect(contentOf(scene.root, OWN)).toEqual(before);
    }, scene),
  );
});

describe("a reboot that does not come", () => {
  scenario("takes the plan back when its time is up", async (scene) => {
    scene.settings(SETTINGS);
    scene.publish();
    const board = stubBoard(scene);
    const before = contentOf(scene.root, OWN);
    board.reboot = () => undefined;
    expect(isFailure(await board.run())).toBe("APPLY_FAILED");
    expect(contentOf(scene.root, OWN)).toEqual(before);
    expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
    expect(board.calls.filter((call) => call === "reboot")).toHaveLength(1);
  });

  scenario("on a device that has no such program: the plan is taken back at once", async (scene) => {
    scene.settings(SETTINGS);
    scene.publish();
    const board = stubBoard(scene);
    board.programs = [];
    const before = contentOf(scene.root, OWN);
    expect(isFailure(await board.run())).toBe("APPLY_FAILED");
    expect(contentOf(scene.root, OWN)).toEqual(before);
  });
});

describe("who asks for a reboot", () => {
  const asking: Module = { name: "asking", plan: () => [reboot("the radio's country", { module: "asking" })] };

  scenario("a module does, with its reason; only together with a change", async (scene) => {
    scene.publish();
    const board = stubBoard(scene);
    board.modules.push(asking);
    expect(await board.run({ isDry: true })).toMatchObject({ plan: { reboots: ["the radio's country"] } });
    board.modules.length = 0;
    expect(await board.run()).toMatchObject({ result: "changed" });
    board.modules.push(asking);
    expect(await board.run({ isForced: true })).toMatchObject({ result: "recorded", plan: { reboots: [] } });
    expect(board.calls).not.toContain("reboot");
  });

  scenario("a path does, and a folder; another one does not", async (scene) => {
    scene.publish();
    for (const [named, reboots] of [
      ["/etc/banner", ["/etc/banner changes"]],
      ["/etc/profile.d", ["/etc/profile.d changes"]],
      ["/etc/prof", []],
      ["banner", []],
    ] as const) {
      scene.settings({ main: { reboot: [named] } });
      expect(await stubBoard(scene).run({ isDry: true })).toMatchObject({ plan: { reboots } });
    }
    const ended = await scene.run(["plan"]);
    expect(ended.json).not.toHaveProperty("plan.reboots");
  });

  scenario("the tree does, by the setting that it brings along", async (scene) => {
    scene.put(
      "default.uci",
      `${readFileSync(join(scene.tree, "default.uci"), "utf8")}\npackage uciprov\nconfig uciprov 'main'\n\tlist reboot 'system'\n`,
    );
    scene.publish();
    expect(await stubBoard(scene).run({ isDry: true })).toMatchObject({ plan: { reboots: ["system changes"] } });
  });
});

afterAll(() => expect(hasAsh || process.env["UCIPROV_REQUIRE_REAL"] !== "1").toBe(true));

describe("a tree that gives the device another name each time it is asked for", () => {
  const named = (name: string) => `package system\n\nconfig system\n\toption hostname '${name}'\n`;

  function circle(scene: Scene, reboot: readonly string[]): Board {
    scene.settings({ main: { reboot }, confirm: { window: "20" } });
    for (const file of readdirSync(scene.tree)) if (file.endsWith(".uci")) rmSync(join(scene.tree, file));
    for (const [file, name] of [
      ["default", "first"],
      ["first", "second"],
      ["second", "first"],
    ]) {
      scene.put(`${file}.uci`, named(name ?? ""));
    }
    scene.publish();
    return stubBoard(scene);
  }

  scenario("does not have it restart for ever", async (scene) => {
    const board = circle(scene, ["system"]);
    for (let boots = 0; boots < 6; boots++) {
      const outcome = await board.run();
      if (outcome instanceof ProvisionError) expect(outcome.code).toBe("TREE_UNSETTLED");
      reboots(board);
    }
    expect(board.calls.filter((call) => call === "reboot")).toHaveLength(3);
  });

  scenario("nor write its flash at every run", async (scene) => {
    const board = circle(scene, []);
    expect(isFailure(await board.run())).toBe("TREE_UNSETTLED");
    const before = snapshotOf(scene.root);
    expect(isFailure(await board.run({ isForced: true }))).toBe("TREE_UNSETTLED");
    expect(snapshotOf(scene.root)).toEqual(before);
  });
});
