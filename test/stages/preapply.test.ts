import { expect, test } from "vitest";
import type { RunContext } from "../../src/context.ts";
import type { Plan } from "../../src/plan.ts";
import { preflight } from "../../src/stages/preapply.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const SIZE = 1_000_000;
const BIG = "/usr/bin/big";

/** A device whose flash has room for so many bytes, with a large program in the image, or put there since. */
function deviceWith(free: number, upper: boolean): RunContext {
  const ctx = aRunContext();
  const places = ["", "/rom", ...(upper ? ["/overlay/upper"] : [])].map((above) => `${above}${BIG}`);
  for (const place of places) {
    const names = place.split("/").slice(1, -1);
    for (const [index] of names.entries()) {
      const folder = `/${names.slice(0, index + 1).join("/")}`;
      if (ctx.disk.stat(folder) === undefined) ctx.disk.makeDirectory(folder, 0o755);
    }
    ctx.disk.writeNew(place, new Uint8Array(SIZE), { mode: 0o755 });
  }
  return { ...ctx, disk: { ...ctx.disk, free: () => ({ bytes: free, inodes: 1000 }) } };
}

function removing(ctx: RunContext): Promise<unknown> {
  const software = { tool: undefined, install: [], remove: [], record: { ours: {}, pending: [] } };
  const plan = { actions: [{ kind: "remove", path: BIG }], packages: [], software } as unknown as Plan;
  return preflight(ctx, aDevice(), plan, async () => plan);
}

test("a file of the image goes only where there is room to put it back, beside its copy", async () => {
  const full = expect.objectContaining({ code: "NO_SPACE" });
  await expect(removing(deviceWith(SIZE + 500_000, false))).rejects.toEqual(full);
  await expect(removing(deviceWith(2 * SIZE + 500_000, false))).resolves.toBeDefined();
});

test("a file on the flash makes that room itself when it goes", async () => {
  await expect(removing(deviceWith(SIZE + 500_000, true))).resolves.toBeDefined();
});
