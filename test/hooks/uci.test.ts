import { describe, expect, test } from "vitest";
import uci from "../../hooks/uci.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene } from "../helpers/plan-context.ts";

const SYSTEM = "package system\n\nconfig system\n\toption hostname 'attic'\n\n";

keepsModuleContract(
  uci,
  () => planScene({ module: "uci" }),
  () => planScene({ module: "uci", isSmall: true, tree: { default: SYSTEM } }),
);

describe("layers", () => {
  test("every package of an export is a change of its own, in the order of the layers", async () => {
    const both = `${SYSTEM}package network\n\nconfig interface 'lan'\n\toption proto 'static'\n`;
    const { context, findings } = planScene({ module: "uci", isSmall: true, tree: { default: both, mac: SYSTEM } });
    const changes = (await uci.plan?.(context)) ?? [];
    expect(changes.map((change) => change.kind === "uci" && [change.package, change.layer.mode])).toEqual([
      ["system", "merge"],
      ["network", "merge"],
      ["system", "merge"],
    ]);
    expect(findings).toEqual([]);
  });

  test("settings make a layer replace, or a batch", async () => {
    const settings =
      "config resource 'whole'\n\toption module 'uci'\n\toption mode 'replace'\n" +
      "config resource 'lines'\n\toption module 'uci'\n\toption mode 'batch'\n";
    const tree = { whole: SYSTEM, lines: "set system.ntp.enabled='1'\nadd_list network.lan.dns='192.0.2.1'\n" };
    const { context } = planScene({ module: "uci", isSmall: true, tree, settings });
    const changes = (await uci.plan?.(context)) ?? [];
    expect(changes.map((change) => change.kind === "uci" && [change.package, change.layer.mode])).toEqual([
      ["system", "replace"],
      ["system", "batch"],
      ["network", "batch"],
    ]);
  });
});

describe("faults", () => {
  test("each layer's is told with its file, line and byte, all at once", async () => {
    const tree = {
      default: "package system\nconfig system\n\toption hostname 'x\n",
      mac: "package a\noption early '1'\n",
    };
    const { context, findings } = planScene({ module: "uci", isSmall: true, tree });
    expect(await uci.plan?.(context)).toEqual([]);
    expect(findings.map(({ code, place }) => [code, place?.line])).toEqual([
      ["UCI_INVALID", 3],
      ["UCI_INVALID", 2],
    ]);
    for (const { place } of findings) expect(place?.file).toBeDefined();
  });

  test("a mark that nobody sees is named", async () => {
    const { context, findings } = planScene({ module: "uci", isSmall: true, tree: { default: `\ufeff${SYSTEM}` } });
    expect(await uci.plan?.(context)).toEqual([]);
    expect(findings).toMatchObject([
      { code: "UCI_INVALID", message: expect.stringContaining("byte order mark"), place: { line: 1, byte: 1 } },
    ]);
  });

  test.each(["../x", "a.b", "a b", "."])("a package cannot be called %j", async (name) => {
    const { context, findings } = planScene({
      module: "uci",
      isSmall: true,
      tree: { default: `package '${name}'\n\nconfig a 'b'\n` },
    });
    await uci.plan?.(context);
    expect(findings).toMatchObject([{ code: "UCI_INVALID", severity: "error" }]);
  });
});
