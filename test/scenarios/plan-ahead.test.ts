/** What has come is planned while a large file is on its way; the plan is the one that all at once would have made. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { type Scene, scenario, withScene } from "../helpers/scenario.ts";
import { contentOf, OWN } from "../helpers/snapshot.ts";
import { type Board, stubBoard } from "../helpers/stub-board.ts";

interface Slow {
  readonly board: Board;
  /** What happened, in order: `planned`, `bulk` (its last byte is sent), and what a test adds. */
  readonly order: string[];
  /** The large file comes once this is done; at once if nobody says so. */
  hold: () => Promise<unknown>;
}

/** Milliseconds: for what has to happen, and for what could and must not. */
const [LONG, ENOUGH] = [10_000, 1500];

/** A tree of small files and one large file, for a module of its own behind one that notes when it is asked for its plan. */
function slowScene(scene: Scene, isWatchLast = false): Slow {
  const board = stubBoard(scene);
  const slow: Slow = { board, order: [], hold: async () => undefined };
  rmSync(join(scene.tree, "overlay.tar.gz"));
  scene.put("bulk.bin", Buffer.alloc(300_000, "b"));
  const bulk = { name: "bulk", resources: { bulk: { uri: "{base_uri}/bulk.bin", size: "large" } } } as const;
  const watch = { name: "watch", plan: () => planned(slow.order) };
  board.modules.push(...(isWatchLast ? [bulk, watch] : [watch, bulk]));
  scene.publish();
  scene.web.bend("bulk.bin", (request, response) => {
    response.on("finish", () => slow.order.push("bulk"));
    void slow.hold().then(() => scene.web.honest("bulk.bin")(request, response));
  });
  return slow;
}

function planned(order: string[]): [] {
  order.push("planned");
  return [];
}

/** Without what two scenes differ in anyway. */
function comparable({ web }: Scene, what: unknown): unknown {
  const text = JSON.stringify(what) ?? "";
  return JSON.parse(text.replaceAll(web.uri, "URI").replace(/signed by [0-9a-f]{16}/g, "signed by KEY"));
}

/** Waits until it has been planned, or for so long. */
async function planning({ order }: Slow, atMost = LONG): Promise<void> {
  for (const end = Date.now() + atMost; !order.includes("planned") && Date.now() < end; ) await pause(5);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function outcome({ board }: Slow) {
  const ended = await board.run();
  if (ended instanceof ProvisionError) throw ended;
  return ended;
}

describe("a first run plans what has come while a large file is on its way", () => {
  scenario("and comes to the same device", async (scene) => {
    const slow = slowScene(scene);
    slow.hold = () => planning(slow);
    const { result, plan } = await outcome(slow);
    expect([result, slow.order]).toEqual(["changed", ["planned", "bulk"]]);
    await withScene(async (other) => {
      const atOnce = await outcome(slowScene(other));
      expect(comparable(scene, plan?.packages)).toEqual(comparable(other, atOnce.plan?.packages));
      const own = ["/etc/config/uciprov", "/etc/uciprov", ...OWN];
      expect(contentOf(scene.root, own)).toEqual(contentOf(other.root, own));
    });
  });

  scenario("but no module before those that stand in front of it have what they want", async (scene) => {
    const slow = slowScene(scene, true);
    slow.hold = () => planning(slow, ENOUGH);
    expect((await outcome(slow)).result).toBe("changed");
    expect(slow.order).toEqual(["bulk", "planned"]);
  });

  scenario("but not before a hook of the device, which may change what is looked at", async (scene) => {
    const slow = slowScene(scene);
    slow.hold = () => planning(slow, ENOUGH);
    slow.board.modules.push({
      name: "editor",
      hooks: {
        fetch() {
          slow.order.push("edited");
          scene.edit("/etc/config/network", `${scene.device("/etc/config/network")}\nconfig interface 'mine'\n`);
        },
      },
    });
    expect((await outcome(slow)).result).toBe("changed");
    expect(slow.order).toEqual(["bulk", "edited", "planned"]);
    expect(scene.device("/etc/config/network")).toContain("'mine'");
  });

  scenario("of this try, and not of the one before", async (scene) => {
    const slow = slowScene(scene);
    scene.settings({ main: { tries: "2" } });
    scene.web.bend("bulk.bin", (_, response) => {
      void planning(slow).then(() => {
        scene.put("default.uci", "package fleet\n\nconfig thing 'second'\n");
        scene.publish({ serial: 2 });
        scene.web.straighten();
        response.writeHead(503).end();
      });
    });
    expect((await outcome(slow)).result).toBe("changed");
    expect(scene.device("/etc/config/fleet")).toContain("'second'");
  });

  scenario("and tells a fault once, as it would have told it", async (scene) => {
    const bad = (at: Scene) => at.put("default.uci", "package system\n\nconfig 'unclosed\n");
    const slow = slowScene(scene);
    bad(scene);
    scene.publish({ serial: 2 });
    slow.hold = () => planning(slow, ENOUGH);
    const ended = await slow.board.run();
    await withScene(async (other) => {
      const atOnce = slowScene(other);
      bad(other);
      other.publish({ serial: 2 });
      const wanted = await atOnce.board.run();
      const told = (of: typeof ended) => [of.findings, of instanceof ProvisionError && of.code];
      expect(comparable(scene, told(ended))).toEqual(comparable(other, told(wanted)));
      expect(JSON.stringify(told(ended))).toContain("UCI_INVALID");
    });
  });

  scenario("but no module of the device's own, which may look at anything", async (scene) => {
    const slow = slowScene(scene);
    slow.board.modules.unshift({ name: "own", revision: "1", plan: () => planned(slow.order) });
    slow.hold = () => planning(slow, ENOUGH);
    expect((await outcome(slow)).result).toBe("changed");
    expect(slow.order).toEqual(["bulk", "planned", "planned"]);
  });

  scenario(
    "and a large file that fails while small ones are on their way is told, and nothing else of it",
    async (scene) => {
      const slow = slowScene(scene);
      const loose: unknown[] = [];
      const note = (why: unknown) => void loose.push(why);
      process.on("unhandledRejection", note);
      try {
        scene.web.bend("default.uci", () => undefined);
        scene.web.bend("bulk.bin", (_, response) => response.writeHead(403).end());
        scene.settings({ main: { tries: "1" } });
        expect(await slow.board.run()).toMatchObject({ code: "HTTP_REFUSED" });
        await pause(50);
        expect(loose).toEqual([]);
      } finally {
        process.off("unhandledRejection", note);
      }
    },
  );

  for (const [path, line] of [
    ["/etc/config/network", "\nconfig interface 'mine'\n"],
    [
      "/etc/dropbear/authorized_keys",
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVmKTeQWlsmkB46A2MmDVV3I9HHRfDNPNuQwsNKiQKE me\n",
    ],
  ] as const) {
    scenario(`and anew if somebody edits ${path} before the large file is there`, async (scene) => {
      const slow = slowScene(scene);
      slow.hold = async () => {
        await planning(slow);
        scene.edit(path, `${scene.device(path)}${line}`);
      };
      expect((await outcome(slow)).result).toBe("changed");
      expect(scene.device(path)).toContain(line.trim());
      expect(slow.order).toEqual(["planned", "bulk", "planned"]);
    });
  }
});
