import { describe, expect, test } from "vitest";
import sysupgrade from "../../hooks/sysupgrade.ts";
import type { Change } from "../../src/api.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene } from "../helpers/plan-context.ts";
import { block, withMetadata } from "../tree/image.ts";

const META = {
  supported_devices: ["acme,r1"],
  version: { dist: "OpenWrt", version: "24.10.9", revision: "r29100", target: "x86/64", board: "r1" },
};
const scene = (image?: Uint8Array, isSmall = false) =>
  planScene({ module: "sysupgrade", ...(image === undefined ? {} : { tree: { image } }), isSmall });
const planned = async (image: Uint8Array, release?: { target: string; revision: string }) => {
  const { context, findings } = scene(image);
  const [one] = context.resources;
  const resource = one && { ...one, ...(release === undefined ? {} : { release }) };
  const changes: readonly Change[] = (await sysupgrade.plan?.({ ...context, resource: () => resource })) ?? [];
  return { changes, findings: findings.map(({ severity, code }) => `${severity} ${code}`) };
};

keepsModuleContract(
  sysupgrade,
  () => scene(),
  () => scene(withMetadata("kernel", META)),
);

describe("an image", () => {
  test("that says what it is becomes the one change", async () => {
    const { changes, findings } = await planned(withMetadata("kernel", META));
    expect(changes).toMatchObject([
      { kind: "firmware", target: "x86/64", revision: "r29100", image: "/tmp/spool/image" },
    ]);
    expect(findings).toEqual([]);
  });

  test("larger than what is read of its end is read all the same, signed or not", async () => {
    const large = withMetadata(Buffer.alloc(200_000, 3), META);
    expect(await planned(large)).toMatchObject({ changes: [{ kind: "firmware" }] });
    expect(await planned(block(large, 0, Buffer.from("a signature")))).toMatchObject({
      changes: [{ kind: "firmware" }],
    });
  });

  test("without any word of its own is what the manifest's line says", async () => {
    const { changes } = await planned(Buffer.from("kernel"), { target: "x86/64", revision: "r5" });
    expect(changes).toMatchObject([{ kind: "firmware", revision: "r5" }]);
    expect(await planned(Buffer.from("kernel"))).toEqual({ changes: [], findings: ["warning IMAGE_INVALID"] });
  });

  test.each([
    ["of the revision that runs", { ...META, version: { ...META.version, revision: "r28739" } }, []],
    ["without target", { ...META, version: { ...META.version, target: "" } }, ["warning IMAGE_INVALID"]],
    ["without version", { supported_devices: ["acme,r1"] }, ["warning IMAGE_INVALID"]],
    ["of a new kind without new names", { ...META, compat_version: "2.0" }, ["error IMAGE_INVALID"]],
    [
      "for two other things",
      { ...META, supported_devices: ["b"], version: { target: "a/b" } },
      ["error IMAGE_INVALID", "error IMAGE_INVALID"],
    ],
  ])("%s is not written", async (_, metadata, findings) => {
    expect(await planned(withMetadata("kernel", metadata))).toEqual({ changes: [], findings });
  });

  test("that came in memory, as no image does, is not written", async () => {
    const { context } = scene(withMetadata("kernel", META), true);
    expect(await sysupgrade.plan?.(context)).toEqual([]);
  });
});
