import { describe, expect, test } from "vitest";
import services from "../../hooks/services.ts";
import type { Change } from "../../src/api.ts";
import { settleFiles, type WantedFile } from "../../src/ownership.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene, type Scene } from "../helpers/plan-context.ts";

const SCRIPT = "#!/bin/sh /etc/rc.common\nSTART=60\nSTOP=10\nUSE_PROCD=1\n";
const asterisk = { "/etc/init.d/asterisk": SCRIPT };

keepsModuleContract(
  services,
  () => planScene({ module: "services", device: asterisk }),
  () => planScene({ module: "services", device: asterisk, tree: { services: "asterisk enabled\n" } }),
);

async function plan(text: string, device: Readonly<Record<string, string>> = asterisk, more: Partial<Scene> = {}) {
  const { context, findings } = planScene({ module: "services", tree: { services: text }, device, ...more });
  const changes = (await services.plan?.(context)) ?? [];
  return { changes, told: changes.map(tell), findings };
}

function tell(change: Change): string {
  if (change.kind === "symlink") return `${change.path} -> ${change.target}`;
  return change.kind === "remove" ? `no ${change.path}` : change.kind;
}

describe("links as rc.common makes them", () => {
  test("enabled: both links, by the script's numbers", async () => {
    const { told, changes } = await plan("# ours\nasterisk enabled # the PBX\n");
    expect(told).toEqual([
      "/etc/rc.d/K10asterisk -> ../init.d/asterisk",
      "/etc/rc.d/S60asterisk -> ../init.d/asterisk",
    ]);
    expect(changes[0]?.origin).toMatchObject({ module: "services", detail: "line 2" });
  });

  test("disabled: neither, and none of an older number", async () => {
    const device = { ...asterisk, "/etc/rc.d/S50asterisk": "->../init.d/asterisk", "/etc/rc.d/S50asterisk2": "->x" };
    expect((await plan("asterisk\tdisabled", device)).told).toEqual([
      "no /etc/rc.d/K10asterisk",
      "no /etc/rc.d/S50asterisk",
      "no /etc/rc.d/S60asterisk",
    ]);
  });

  test("enabled: a link of an older number goes", async () => {
    const device = { ...asterisk, "/etc/rc.d/S50asterisk": "->../init.d/asterisk" };
    expect((await plan("asterisk enabled", device)).told).toContain("no /etc/rc.d/S50asterisk");
  });

  test("a second run asks for the same, although what it removed is no longer there", async () => {
    const device = { ...asterisk, "/etc/rc.d/S50asterisk": "->../init.d/asterisk" };
    const first = await plan("asterisk enabled", device);
    const second = await plan("asterisk enabled", asterisk, {
      owned: ["/etc/rc.d/S50asterisk", "/etc/rc.d/S60asterisk"],
    });
    expect(second.told).toEqual(first.told);
  });

  test("a tree that falls silent gives the device its own links back", async () => {
    const before = { "/etc/rc.d/S50asterisk": "../init.d/asterisk" } as Record<string, string>;
    const links = new Map(Object.entries(before));
    const look = (path: string) => {
      const target = links.get(path);
      return target === undefined ? ({ kind: "absent" } as const) : ({ kind: "symlink", target } as const);
    };
    const device = { ...asterisk, "/etc/rc.d/S50asterisk": "->../init.d/asterisk" };
    const wanted = (await plan("asterisk disabled", device)).changes.filter(
      (one): one is WantedFile => one.kind !== "uci",
    );
    const { record, actions } = settleFiles({}, wanted, look);
    for (const { path } of actions) links.delete(path);
    expect(links.size).toBe(0);
    expect(settleFiles(record, [], look).actions).toMatchObject([
      { kind: "restore", path: "/etc/rc.d/S50asterisk", to: { kind: "symlink", target: "../init.d/asterisk" } },
    ]);
  });

  test.each([
    ["START=95", "S95"],
    ["START='95'", "S95"],
    ['START="95" # late', "S95"],
    ["START=1\nSTART=95", "S95"],
    ["START=95;STOP=1", "S95"],
  ])("%j is a number", async (text, link) => {
    const { told } = await plan("x enabled", { "/etc/init.d/x": `#!/bin/sh /etc/rc.common\n${text}\n` });
    expect(told).toContain(`/etc/rc.d/${link}x -> ../init.d/x`);
  });
});

describe("what cannot be done is told", () => {
  test("a service that is not there, or has no number, cannot be enabled; to disable it is nothing", async () => {
    const device = { "/etc/init.d/odd": "START=$((50 + 1))\n" };
    const { changes, findings } = await plan("none enabled\nodd enabled\nnone2 disabled", device);
    expect(changes).toEqual([]);
    expect(findings).toMatchObject([
      { severity: "warning", place: { line: 1 } },
      { severity: "warning", place: { line: 2 } },
    ]);
  });

  test.each([
    "asterisk",
    "asterisk on",
    "enabled",
    "../init.d/x enabled",
    "a b enabled",
    "-x enabled",
    "x\u0000 enabled",
  ])("%j is a fault with its line", async (line) => {
    const { changes, findings } = await plan(`\n${line}\n`);
    expect(changes).toEqual([]);
    expect(findings).toMatchObject([{ severity: "error", code: "PLAN_INVALID", place: { line: 2 } }]);
  });

  test("a service that is said to be both", async () => {
    expect((await plan("asterisk enabled\nasterisk disabled")).findings).toMatchObject([
      { severity: "error", place: { line: 2 } },
    ]);
    expect((await plan("asterisk enabled\nasterisk enabled")).findings).toEqual([]);
  });
});
