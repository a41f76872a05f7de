import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeFleet } from "../../bench/make-fleet.mjs";
import { fleetFacts } from "../../src/admin/fleet/fleet-facts.ts";
import { type FleetPlan, planFleet } from "../../src/admin/fleet/plan-fleet.ts";
import { tellFleet } from "../../src/admin/fleet/tell-fleet.ts";
import { parseInventory, readInventory } from "../../src/admin/inventory.ts";
import { openRoot } from "../../src/admin/plan/backup.ts";
import { openPaperRun } from "../../src/admin/plan/paper-run.ts";
import { planOne } from "../../src/admin/plan/plan-one.ts";
import { openTree } from "../../src/admin/plan/tree-folder.ts";
import { signTree, type TreeLabel } from "../../src/admin/sign-tree.ts";
import { generateKeyPair, printPublicKey } from "../../src/tree/keys.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

interface Fleet {
  readonly folder: string;
  put(version: "before" | "after", name: string, text: string): void;
  plan(more?: { showsSecrets?: boolean; isNew?: boolean; inventory?: string }): Promise<FleetPlan>;
  sign(label?: Pick<TreeLabel, "rollout" | "images">): void;
  openRun(): Promise<ReturnType<typeof openPaperRun>>;
}

function aFleet(count: number): Fleet {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-fleet-"));
  folders.push(folder);
  makeFleet(folder, count);
  const { publicKey, secretKey } = generateKeyPair();
  const key = join(folder, "key.pub");
  writeFileSync(key, printPublicKey(publicKey));
  const ground = async () => ({
    root: await openRoot(join(folder, "root")),
    keyFiles: [key],
    log: () => undefined,
    signal: new AbortController().signal,
  });
  const fleet: Fleet = {
    folder,
    put: (version, name, text) => writeFileSync(join(folder, version, name), text),
    sign(label = {}) {
      const date = Date.UTC(2026, 10, 22);
      signTree(join(folder, "before"), { tree: "fleet", serial: 1, date }, [secretKey]);
      signTree(join(folder, "after"), { tree: "fleet", serial: 2, date, ...label }, [secretKey]);
    },
    async plan({ showsSecrets = false, isNew = false, inventory } = {}) {
      const { devices } =
        inventory === undefined
          ? readInventory(join(folder, "inventory.csv"))
          : parseInventory(Buffer.from(inventory), { file: "inventory" });
      const trees = {
        before: isNew ? undefined : openTree(join(folder, "before")),
        after: openTree(join(folder, "after")),
      };
      const made = await ground();
      return planFleet(() => openPaperRun(made), devices, trees, { base: undefined, showsSecrets });
    },
    openRun: async () => openPaperRun(await ground()),
  };
  fleet.sign();
  return fleet;
}

function told({ differences }: FleetPlan) {
  return differences.map(({ subject, before, after, rows }) => [subject, before, after, rows.length]);
}

describe("what changes for whom", () => {
  test("the same change is told once, with all whom it is for", async () => {
    const fleet = aFleet(400);
    const plan = await fleet.plan();
    expect(told(plan)).toEqual([
      ["wireless.radio0.channel", "1", "6", 400],
      ["network.lan.dns", "[192.0.2.3]", "[192.0.2.99]", 10],
      ["wireless.radio1.txpower", undefined, "17", 4],
    ]);
    const site3 = plan.differences[1]?.rows.map((row) => plan.rows[row]?.known.macros["site"]);
    expect(new Set(site3)).toEqual(new Set(["site-3"]));
    expect(tellFleet(plan, undefined)).toContain("400 devices: wireless.radio0.channel 1 → 6");
    expect(fleetFacts(plan, "provisioned")).toMatchObject({
      version: 1,
      before: { serial: 1, trust: { verdict: "accepted" } },
      after: { serial: 2, trust: { verdict: "accepted" } },
      counts: { devices: 400, changed: 400, broken: 0, mended: 0 },
      files: {
        added: [],
        removed: [],
        changed: ["ap-0.uci", "ap-100.uci", "ap-200.uci", "ap-300.uci", "default.uci", "site-3.uci"],
      },
    });
  });

  test("for each device it is what two plans of its own say", async () => {
    const fleet = aFleet(60);
    const plan = await fleet.plan();
    const options = async (version: "before" | "after", row: number) => {
      const known = plan.rows[row]?.known ?? { facts: {}, macros: {} };
      const paper = await planOne(await fleet.openRun(), known, openTree(join(fleet.folder, version)), undefined);
      const all = paper.plan?.packages.flatMap(({ name, diff }) =>
        diff.sections.flatMap(({ section, options }) =>
          options.map(({ option, after }) => [`${name}.${section}.${option}`, JSON.stringify(after)] as const),
        ),
      );
      expect(paper.failure).toBe(undefined);
      return new Map(all);
    };
    for (let row = 0; row < 60; row += 7) {
      const [before, after] = [await options("before", row), await options("after", row)];
      const subjects = [...new Set([...before.keys(), ...after.keys()])];
      const different = subjects.filter((subject) => before.get(subject) !== after.get(subject)).sort();
      const said = plan.differences.filter(({ rows }) => rows.includes(row)).map(({ subject }) => subject);
      expect(said.sort()).toEqual(different);
      expect(different.length).toBeGreaterThan(0);
    }
  });

  test("a tree that is the same changes nothing, whatever its serial; without one before, all of it is new", async () => {
    const fleet = aFleet(50);
    for (const name of ["default.uci", "site-3.uci", "ap-0.uci"])
      fleet.put("after", name, String(Buffer.from(openTree(join(fleet.folder, "before")).file(name)?.bytes ?? [])));
    fleet.sign();
    const same = await fleet.plan();
    expect(told(same)).toEqual([]);
    expect(tellFleet(same, undefined)).toContain("nothing changes for anybody");
    const all = await fleet.plan({ isNew: true });
    expect(told(all)).toContainEqual(["wireless.radio0.channel", undefined, "1", 50]);
    expect(told(all)).toContainEqual(["wireless.default_radio0.key", undefined, "(secret)", 50]);
    expect(told(await fleet.plan({ isNew: true, showsSecrets: true }))).toContainEqual([
      "wireless.default_radio0.key",
      undefined,
      "a secret of the fleet",
      50,
    ]);
  });

  test("files, services, packages and firmware count, too", async () => {
    const fleet = aFleet(3);
    fleet.put("after", "packages", "luci\n-ppp\n");
    fleet.put("after", "services", "odhcpd disabled\n");
    fleet.put("after", "image.bin", "x".repeat(1000));
    const release = { target: "ath79/generic", revision: "r2-new" };
    fleet.sign({ images: [{ path: "image.bin", ...release }] });
    const inventory = [
      "hostname,site,group,target,revision",
      "old,site-1,group-1,ath79/generic,r1-old",
      "new,site-1,group-1,ath79/generic,r2-new",
      "other,site-1,group-1,mediatek/filogic,r1-old",
    ].join("\n");
    const plan = await fleet.plan({ inventory });
    const of = (subject: string) => plan.differences.find((one) => one.subject === subject);
    expect(of("package luci")).toMatchObject({
      group: "packages",
      before: undefined,
      after: "installed",
      rows: [0, 1, 2],
    });
    expect(of("package ppp")).toMatchObject({ after: "removed" });
    expect(of("service odhcpd")).toMatchObject({ group: "services", after: expect.stringContaining("boot: disabled") });
    expect(of("firmware")).toMatchObject({
      group: "firmware",
      before: undefined,
      after: expect.stringMatching(/^r2-new for ath79\/generic, sha256 [0-9a-f]{12}$/),
      rows: [0],
    });
    const facts = fleetFacts(plan, "provisioned");
    expect(facts.files.added).toEqual(["image.bin", "packages", "services"]);
    expect(facts.after.images).toEqual(["image.bin ath79/generic r2-new"]);
  });

  test("who becomes invalid is told, with file and line, and who is mended", async () => {
    const fleet = aFleet(20);
    fleet.put("after", "020000000001.uci", "package network\nconfig interface 'lan\n");
    fleet.put("before", "020000000002.uci", "package network\nconfig interface 'lan\n");
    fleet.sign();
    const plan = await fleet.plan();
    const facts = fleetFacts(plan, "invalid-content");
    expect(facts.counts).toMatchObject({ broken: 1, mended: 1 });
    expect(facts.invalid).toMatchObject([
      {
        code: "UCI_INVALID",
        since: "broken",
        devices: [1],
        error: { findings: [{ place: { file: "https://tree.invalid/020000000001.uci", line: 2 } }] },
      },
    ]);
    expect(tellFleet(plan, undefined)).toMatch(/broken 1 device \(ap-1\): UCI_INVALID/);
  });

  test("a roll-out is told by the hour, and for each device", async () => {
    const fleet = aFleet(400);
    fleet.sign({ rollout: 48 });
    const facts = fleetFacts(await fleet.plan(), "provisioned");
    const steps = facts.rollout?.steps ?? [];
    expect(steps.at(-1)).toEqual({ hour: 48, devices: 400 });
    const half = steps.find(({ hour }) => hour === 24)?.devices ?? 0;
    expect(Math.abs(half - 200)).toBeLessThan(60);
    expect(facts.devices.every(({ turn = "" }) => turn >= "2026-11-22" && turn <= "2026-11-24T00:00:00Z")).toBe(true);
    fleet.sign({ rollout: "hold" });
    expect(tellFleet(await fleet.plan(), undefined)).toContain("held: no configured device takes it");
  });

  test("a device that cannot say who it is does not stop the others", async () => {
    const fleet = aFleet(3);
    const plan = await fleet.plan({ inventory: 'hostname,board,site,group\nap-0,"acme,r0",site-1,group-1\nlost,,,\n' });
    expect(plan.rows.map(({ isChanged, failedAfter }) => [isChanged, failedAfter?.code])).toEqual([
      [true, undefined],
      [false, "MACRO_UNKNOWN"],
    ]);
    expect(tellFleet(plan, undefined)).toContain("1 device (lost): MACRO_UNKNOWN: no macro {site}");
  });
});

describe("the work that is done", () => {
  test("each file is read once, and what devices share is merged once, however many they are", async () => {
    const [few, many] = [aFleet(80), aFleet(800)];
    const [a, b] = [(await few.plan()).work, (await many.plan()).work];
    const unique = (count: number) => count * 0.8; // a layer of their own have four devices of five
    const files = (count: number) => 2 * (1 + 40 + 5 + 8) + 2 * unique(count) + 2 * (count / 50);
    expect(a.parses).toBeLessThanOrEqual(files(80));
    expect(b.parses).toBeLessThanOrEqual(files(800));
    // A device with a layer of its own costs one merge, of the one package that the layer is about.
    expect(b.merges - a.merges).toBeLessThan(720 * 1.2);
    const cost = b.modulePlans - a.modulePlans;
    expect(cost).toBeLessThan(2 * 720 + 200);
  });

  test("devices without layers of their own cost nothing but the look", async () => {
    const fleet = aFleet(8);
    const rows = (count: number) =>
      [
        "hostname,mac,board,site,group",
        ...Array.from(
          { length: count },
          (_, n) =>
            `x-${n},${(0x06_00_00_00_00_00 + n).toString(16).padStart(12, "0")},"acme,r${n % 8}",site-1,group-1`,
        ),
      ].join("\n");
    const [a, b] = [(await fleet.plan({ inventory: rows(8) })).work, (await fleet.plan({ inventory: rows(400) })).work];
    expect(b).toEqual(a);
  });
});
