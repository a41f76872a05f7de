import { expect, test } from "vitest";
import packages from "../../hooks/packages.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene } from "../helpers/plan-context.ts";

keepsModuleContract(
  packages,
  () => planScene({ module: "packages" }),
  () => planScene({ module: "packages", tree: { packages: "asterisk\n-odhcpd-ipv6only\n" } }),
);

async function plan(text: string) {
  const { context, findings } = planScene({ module: "packages", tree: { packages: text } });
  return { changes: (await packages.plan?.(context)) ?? [], findings };
}

test("a name is a package to be there, with a minus not to be", async () => {
  const { changes, findings } = await plan("# ours\nasterisk # the PBX\n\n-kmod-usb2\nlibstdcpp6\n");
  expect(findings).toEqual([]);
  expect(changes).toMatchObject([
    { kind: "packages", install: ["asterisk"], origin: { detail: "line 2" } },
    { kind: "packages", remove: ["kmod-usb2"], origin: { detail: "line 4" } },
    { kind: "packages", install: ["libstdcpp6"], origin: { detail: "line 5" } },
  ]);
});

test.each([
  "a b",
  "--force-depends",
  "*",
  "lib*",
  "https://evil.example/x.ipk",
  "/tmp/x.ipk",
  "../x",
  "a=1.0",
  "@virtual",
  "x>1",
  "-",
  "a\u0000",
  "A",
])("%j is a fault with its line: no option, pattern, version, file or address gets through", async (line) => {
  const { changes, findings } = await plan(`\n${line}\n`);
  expect(changes).toEqual([]);
  expect(findings).toMatchObject([{ severity: "error", code: "PLAN_INVALID", place: { line: 2 } }]);
});
