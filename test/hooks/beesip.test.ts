import { expect, test } from "vitest";
import beesip from "../../hooks/beesip.ts";
import type { Change } from "../../src/api.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene, type Scene } from "../helpers/plan-context.ts";

const scene = (more: Partial<Scene> = {}) => planScene({ module: "beesip", ...more });
const pbxBox = { "/usr/sbin/asterisk": "", "/usr/sbin/kamailio": "" };

keepsModuleContract(
  beesip,
  () => scene(),
  () => scene({ device: pbxBox }),
);

async function sectionsOf(more: Partial<Scene>): Promise<Record<string, Record<string, unknown>>> {
  const changes: readonly Change[] = (await beesip.plan?.(scene(more).context)) ?? [];
  return Object.fromEntries(
    changes.flatMap((change) =>
      change.kind === "uci" && change.package === "beesip" && change.layer.mode === "merge"
        ? change.layer.content.sections.map(({ name, options }) => [
            name,
            Object.fromEntries(options.map(({ name: option, value }) => [option, value])),
          ])
        : [],
    ),
  );
}

test("each role that a program of the device could play is there, and off", async () => {
  expect(await sectionsOf({ device: pbxBox })).toEqual({
    pbx: { enabled: "0", role: "both", interface: "lan" },
    security: { enabled: "0", ids: "none" },
    probe: { enabled: "0" },
  });
  expect(await sectionsOf({ device: { "/usr/sbin/kamailio": "" } })).toMatchObject({ pbx: { role: "proxy" } });
  expect(await sectionsOf({ device: { "/usr/sbin/asterisk": "" } })).toEqual({
    pbx: { enabled: "0", role: "b2bua", interface: "lan" },
    security: { enabled: "0", ids: "none" },
    probe: { enabled: "0" },
  });
  expect(await sectionsOf({ device: { "/usr/bin/zabbix_agentd": "" } })).toEqual({ monitoring: { enabled: "0" } });
});

test("what the tree or the device says stays; only what is missing is filled in", async () => {
  const uci = { beesip: "config pbx 'pbx'\n\toption enabled '1'\n\toption role 'b2bua'\n" };
  expect(await sectionsOf({ device: pbxBox, uci })).toEqual({
    pbx: { interface: "lan" },
    security: { enabled: "0", ids: "none" },
    probe: { enabled: "0" },
  });
  const other = { beesip: "config something 'pbx'\n" };
  expect(Object.keys(await sectionsOf({ device: pbxBox, uci: other }))).toEqual(["security", "probe"]);
});

test("a tree that replaces packages as a whole has the only word", async () => {
  const settings = "config resource 'mac'\n\toption mode 'replace'\n";
  expect(await sectionsOf({ device: pbxBox, settings, uci: { beesip: "config pbx 'pbx'\n" } })).toEqual({});
});

test("a section that no module knows is told, and nothing else is", async () => {
  const config = "config extention\n\toption number '101'\n\nconfig extention\n\nconfig pbx 'pbx'\n\nconfig route\n";
  const { context, findings } = scene({ uci: { beesip: config } });
  await beesip.plan?.(context);
  expect(findings).toMatchObject([{ severity: "warning", message: expect.stringContaining("`extention`") }]);
});
