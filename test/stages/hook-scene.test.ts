import { describe, expect, test } from "vitest";
import type { HookPoint, Module } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { hookScene } from "../../src/hook-scene.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const { signal } = new AbortController();

/** Modules whose hooks tell that they were called. */
function aScene(modules: Readonly<Record<string, readonly HookPoint[]>>, failing: readonly string[] = []) {
  const called: string[] = [];
  const logged: string[] = [];
  const all = Object.entries(modules).map(
    ([name, points]): Module => ({
      name,
      hooks: Object.fromEntries(
        points.map((point) => [
          point,
          () => {
            called.push(`${name} ${point}`);
            if (failing.includes(`${name} ${point}`)) throw new Error("broken");
          },
        ]),
      ),
    }),
  );
  const scene = hookScene(aRunContext({ log: (_, message) => void logged.push(message) }), all);
  scene.enter(aDevice());
  return { scene, called, logged };
}

describe("failed hooks", () => {
  test("undo in reverse, for the modules that ran any hook, and for those only", async () => {
    const { scene, called } = aScene({
      one: ["preapply", "failed"],
      two: ["apply", "failed"],
      three: ["done", "failed"],
      four: ["apply"],
    });
    await scene.run("preapply", signal);
    await scene.run("apply", signal);
    await scene.runFailed(signal);
    expect(called).toEqual(["one preapply", "two apply", "four apply", "two failed", "one failed"]);
  });

  test("of a module whose own hook failed runs as well: it may have done half of it", async () => {
    const { scene, called } = aScene({ one: ["apply", "failed"], two: ["apply", "failed"] }, ["one apply"]);
    await expect(scene.run("apply", signal)).rejects.toMatchObject({ code: "HOOK_FAILED" });
    await scene.runFailed(signal);
    expect(called).toEqual(["one apply", "one failed"]);
  });

  test("of a run that died are all called, in reverse: nobody knows who had run", async () => {
    const { scene, called } = aScene({ one: ["apply", "failed"], two: ["failed"], three: ["apply"] });
    await scene.runFailed(signal, "of a run that died");
    expect(called).toEqual(["two failed", "one failed"]);
  });

  test("that fail themselves keep no other from its turn, and are told", async () => {
    const { scene, called, logged } = aScene({ one: ["apply", "failed"], two: ["apply", "failed"] }, ["two failed"]);
    await scene.run("apply", signal);
    await scene.runFailed(signal);
    expect(called.slice(2)).toEqual(["two failed", "one failed"]);
    expect(logged.join()).toContain("two: its failed hook failed: broken");
  });
});

test("a hook offers a URI in geturi only", async () => {
  const offering = (point: HookPoint): Module => ({
    name: "mine",
    hooks: {
      [point]: (context: Parameters<NonNullable<NonNullable<Module["hooks"]>["geturi"]>>[0]) =>
        context.offerUri("https://a.example/"),
    },
  });
  const scene = hookScene(aRunContext(), [offering("geturi"), offering("apply")]);
  scene.enter(aDevice());
  await scene.run("geturi", signal);
  expect(scene.offered?.text).toBe("https://a.example/");
  await expect(scene.run("apply", signal)).rejects.toBeInstanceOf(ProvisionError);
});

test("what came for a module is seen by its own hooks, and by no other's", async () => {
  const seen: Record<string, number> = {};
  const module = (name: string): Module => ({
    name,
    hooks: { fetch: ({ resources }) => void Object.assign(seen, { [name]: resources.length }) },
  });
  const scene = hookScene(aRunContext(), [module("mine"), module("yours")]);
  scene.enter(aDevice());
  const origin = { module: "mine" };
  scene.bring(
    new Map([["mine", [{ name: "x", uri: "u", size: 0, sha256: "", origin, content: { bytes: new Uint8Array() } }]]]),
  );
  await scene.run("fetch", signal);
  expect(seen).toEqual({ mine: 1, yours: 0 });
});
