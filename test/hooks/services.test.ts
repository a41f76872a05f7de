import { describe, expect, test } from "vitest";
import services from "../../hooks/services.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene } from "../helpers/plan-context.ts";

keepsModuleContract(
  services,
  () => planScene({ module: "services" }),
  () => planScene({ module: "services", tree: { services: "asterisk enabled\n" } }),
);

async function plan(text: string) {
  const { context, findings } = planScene({ module: "services", tree: { services: text } });
  return { changes: (await services.plan?.(context)) ?? [], findings };
}

test("a line is a service that starts at boot and now, or neither", async () => {
  const { changes, findings } = await plan("# ours\nasterisk enabled # the PBX\nodhcpd\tdisabled\n");
  expect(findings).toEqual([]);
  expect(changes).toMatchObject([
    { kind: "service", name: "asterisk", boot: "enabled", run: "started", origin: { detail: "line 2" } },
    { kind: "service", name: "odhcpd", boot: "disabled", run: "stopped", origin: { detail: "line 3" } },
  ]);
});

describe("what cannot be done is told", () => {
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
