/** A tree of which one part cuts the device off: the rest of it holds. */
import { describe, expect } from "vitest";
import { provisioned, type Scene, scenario, start } from "../helpers/scenario.ts";
import { contentOf, OWN } from "../helpers/snapshot.ts";

const NETWORK = "/etc/config/network";
const SYSTEM = "/etc/config/system";
const BANNER = "/etc/banner";
const CONFIRMED = "/etc/uciprov/state/confirmed.json";
const FAILED = "/etc/uciprov/state/failed.json";

/** From now on the tree's server is there only while the device's configuration lets it. */
function reachableWhile(scene: Scene, isReachable: () => boolean): void {
  const manifest = scene.web.honest("MANIFEST");
  scene.web.bend("MANIFEST", (request, response) => {
    if (isReachable()) manifest(request, response);
    else request.socket.destroy();
  });
}

/** Three that do no harm (hostname, dropbear's port, the overlay) and a route that cuts the device off. */
function cutOffByRoute(scene: Scene, serial: number): void {
  scene.settings({ confirm: { window: "5", bisect_tries: "4" } });
  scene.put(
    "02005e100001.uci",
    [
      "package system\n\nconfig system\n\toption hostname 'attic-2'\n",
      "package dropbear\n\nconfig dropbear\n\toption Port '2222'\n",
      "package network\n\nconfig route 'nowhere'\n\toption interface 'wan'\n\toption target '0.0.0.0/1'\n",
    ].join("\n"),
  );
  scene.publish({ serial });
  reachableWhile(scene, () => !scene.device(NETWORK)?.includes("nowhere"));
}

describe("a tree of which one part cuts the device off", () => {
  scenario("holds without that part: exit 6, its options named, all else in place", async (scene) => {
    cutOffByRoute(scene, 2);
    const network = scene.device(NETWORK);
    const ended = await scene.run();
    expect(ended.status, ended.stderr).toBe(6);
    expect(ended.json).toMatchObject({
      exit: "rolled-back",
      result: "partial",
      generation: 1,
      left: [
        { part: "network", names: expect.arrayContaining(["network.nowhere.target", "network.nowhere.interface"]) },
      ],
    });
    expect(ended.json["told"]).toContain("network.nowhere.target");
    expect(scene.device(NETWORK)).toBe(network);
    expect(scene.device(SYSTEM)).toContain("attic-2");
    expect(scene.device("/etc/config/dropbear")).toContain("2222");
    expect(scene.device(BANNER)).not.toContain("OpenWrt");
    expect(JSON.parse(scene.device(CONFIRMED) ?? "")).toMatchObject({ left: [{ part: "network" }] });
    expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts: 1 });
    const status = await scene.run(["status"]);
    expect(status.json).toMatchObject({ confirmed: { left: [{ part: "network" }] }, run: { result: "partial" } });
    expect((await start(["status", "--root", scene.root])).stdout).toContain(
      "taken back this tree, once: NOT_CONFIRMED",
    );
    const history = await scene.run(["history"]);
    expect(JSON.parse(history.stdout)).toMatchObject([
      { number: 1, left: expect.stringMatching(/^network \(.*network\.nowhere\.target/) },
    ]);
  });

  scenario("is not tried again with it before the tree changes, whatever is asked; then it is", async (scene) => {
    cutOffByRoute(scene, 2);
    expect((await scene.run()).status).toBe(6);
    const before = contentOf(scene.root);
    const again = await provisioned(scene);
    expect(again).toMatchObject({ result: "unchanged" });
    expect(again["told"]).toContain("without network");
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
    scene.settings({ confirm: { window: "6" } });
    await provisioned(scene);
    expect(scene.device(NETWORK)).not.toContain("nowhere");
    expect(Object.keys(contentOf(scene.root))).toEqual(Object.keys(before));
    const plan = await provisioned(scene, ["plan"]);
    expect(plan).toMatchObject({ plan: { left: [{ part: "network" }], packages: [] } });

    scene.put("02005e100001.uci", "package network\n\nconfig interface 'lan'\n\toption ipaddr '10.1.0.1'\n");
    scene.publish({ serial: 3 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 2 });
    expect(scene.device(NETWORK)).toContain("10.1.0.1");
    expect(JSON.parse(scene.device(CONFIRMED) ?? "")).not.toHaveProperty("left");
    expect((await start(["status", "--root", scene.root])).stdout).toContain("taken back another tree, once:");
  });

  scenario("keeps what the generation before had set in that part: the factory's is no safer", async (scene) => {
    scene.put("02005e100001.uci", "package network\n\nconfig interface 'lan'\n\toption ipaddr '10.1.0.1'\n");
    scene.publish({ serial: 2 });
    await provisioned(scene);
    const network = scene.device(NETWORK);
    cutOffByRoute(scene, 3);
    expect((await scene.run()).json).toMatchObject({ result: "partial", generation: 2 });
    expect(scene.device(NETWORK)).toBe(network);
    scene.web.straighten();
    // Withdrawn in the next tree, it goes back to what the factory had: the record was held back with it.
    scene.put("02005e100001.uci", "package system\n");
    scene.publish({ serial: 4 });
    await provisioned(scene);
    expect(scene.device(NETWORK)).not.toContain("10.1.0.1");
  });

  scenario("finds a guilty part that was not the first suspect, and lets the network in again", async (scene) => {
    scene.put("02005e100001.uci", "package network\n\nconfig interface 'lan'\n\toption ipaddr '10.1.0.1'\n");
    scene.publish({ serial: 2 });
    scene.settings({ confirm: { window: "5", bisect_tries: "8" } });
    const banner = scene.device(BANNER);
    reachableWhile(scene, () => scene.device(BANNER) === banner);
    const ended = await scene.run();
    expect(ended.json, ended.stderr).toMatchObject({ result: "partial", left: [{ part: "files overlay" }] });
    expect(scene.device(BANNER)).toBe(banner);
    expect(scene.device(NETWORK)).toContain("10.1.0.1");
  });
});

describe("no part is tried", () => {
  scenario("where the settings say so", async (scene) => {
    cutOffByRoute(scene, 2);
    scene.settings({ confirm: { window: "5", bisect: "0" } });
    const before = contentOf(scene.root, OWN);
    expect((await scene.run()).json).toMatchObject({ error: { code: "NOT_CONFIRMED", exit: "rolled-back" } });
    expect(contentOf(scene.root, [...OWN])).toEqual(before);
  });

  scenario("where the server is away with the old configuration, too: nothing is to blame", async (scene) => {
    cutOffByRoute(scene, 2);
    scene.settings({ confirm: { window: "5", probe: ["https://127.0.0.1:9/"] } });
    const asked = scene.web.asked.length;
    const ended = await scene.run(["run", "--verbose"]);
    expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED" } });
    expect(ended.stderr).toContain("with the old configuration the probes fail as well");
    expect(ended.stderr).not.toContain("tried again without");
    expect(scene.web.asked.length).toBeGreaterThan(asked);
    expect(scene.device(SYSTEM)).not.toContain("attic-2");
  });

  scenario("where something else than the confirmation failed", async (scene) => {
    cutOffByRoute(scene, 2);
    scene.settings({ confirm: { window: "30" } });
    const running = scene.run(["run", "--verbose"]);
    await expect.poll(() => scene.device(SYSTEM), { timeout: 20_000, interval: 5 }).toContain("attic-2");
    const [pid = ""] = (scene.device("/tmp/run/uciprov/lock") ?? "").split("-");
    process.kill(Number(pid), "SIGTERM");
    const ended = await running;
    expect(ended.status).not.toBe(0);
    expect(ended.stderr).not.toContain("tried again without");
    expect(scene.device(SYSTEM)).not.toContain("attic-2");
  });
});
