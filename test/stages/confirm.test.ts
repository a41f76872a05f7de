/** What must be true of a trial besides the probes of the settings. */
import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import type { Plan } from "../../src/plan.ts";
import { confirm, prove } from "../../src/stages/confirm.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";

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

describe("a probe that the end of the time cuts short", () => {
  /** Proves nothing: the first so many looks fail as they do, whatever is looked at after that hangs until it is stopped. */
  async function told(failing: number, deadline: number): Promise<unknown> {
    const clock = aClock();
    let looks = 0;
    const ctx = aRunContext({
      clock,
      openHttp: () => ({
        get: ({ signal }) =>
          looks++ < failing
            ? Promise.reject(new ProvisionError("CONNECT_FAILED", "nothing listens there"))
            : new Promise((_, reject) => {
                signal.addEventListener("abort", () => reject(new ProvisionError("STOPPED", "asked to stop")));
              }),
        close: async () => undefined,
      }),
    });
    return await prove(ctx, aDevice().settings, "https://cfg.example/tree", deadline).catch((error: unknown) => error);
  }

  test("is told with what it said before", async () => {
    expect(await told(1, 2_010)).toMatchObject({
      code: "NOT_CONFIRMED",
      message: expect.stringContaining("CONNECT_FAILED"),
    });
  });

  test("is told as one that said nothing, and nobody is said to have asked for a stop", async () => {
    const { message } = (await told(0, 20)) as Error;
    expect(message).toContain("tree: no answer before the time was over");
    expect(message).not.toContain("STOPPED");
  });
});
