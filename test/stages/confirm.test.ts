/** What must be true of a trial besides the probes of the settings. */
import { describe, expect, test } from "vitest";
import type { Plan } from "../../src/plan.ts";
import { confirm } from "../../src/stages/confirm.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

/** Confirms a plan of one file on a device on which `uciprov` ends with this status; the programs that were started. */
async function confirming(path: string, status: number): Promise<{ thrown: unknown; started: string[] }> {
  const started: string[] = [];
  const ctx = aRunContext({
    commands: {
      has: () => true,
      run: async (name, args) => {
        started.push([name, ...args].join(" "));
        return { status, signal: null, stdout: "", stderr: "Error loading shared library", timedOut: false };
      },
    },
    openHttp: () => ({
      get: async () => {
        throw new Error("no server in this test");
      },
      close: async () => undefined,
    }),
  });
  const plan = { files: [{ path }], download: { source: { base: { text: "https://cfg.example/tree" } } } };
  const trial = { id: "t-1", deadline: ctx.clock.elapsed() };
  const thrown: unknown = await confirm(ctx, aDevice(), plan as unknown as Plan, trial, false).catch(
    (error: unknown) => error,
  );
  return { thrown, started };
}

describe("that uciprov itself starts", () => {
  test.each(["/usr/lib/libstdc++.so.6", "/lib/libz.so", "/usr/bin/thing", "/sbin/thing"])(
    "is seen where %s is new",
    async (path) => {
      const { thrown, started } = await confirming(path, 127);
      expect(started).toEqual(["uciprov graph"]);
      expect(thrown).toMatchObject({
        code: "NOT_CONFIRMED",
        message: expect.stringContaining("uciprov does not start (127): Error loading shared library"),
      });
    },
  );

  test("leaves the rest to the probes", async () => {
    const { thrown, started } = await confirming("/usr/lib/libz.so", 0);
    expect(started).toEqual(["uciprov graph"]);
    expect(thrown).toMatchObject({ code: "NOT_CONFIRMED", message: expect.stringContaining("tree:") });
  });

  test("is not asked where nothing of that kind is new", async () => {
    expect((await confirming("/etc/banner", 127)).started).toEqual([]);
  });
});
