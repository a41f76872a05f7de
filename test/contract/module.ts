import { describe, expect, test } from "vitest";
import type { Module, PlanContext } from "../../src/api.ts";
import { template } from "../../src/api.ts";

/** A context with its findings; `makeContext()` gives one of a tree that has nothing for the module. */
export type MakeContext = () => { readonly context: PlanContext; readonly findings: readonly unknown[] };

/** What every module holds to; its own tests add its oddities. `filled`, if given, is a tree that has something for it. */
export function keepsModuleContract(module: Module, makeContext: MakeContext, filled?: MakeContext): void {
  describe(`the module ${module.name} keeps the contract`, () => {
    test("its name can stand in settings, logs and file names", () => {
      expect(module.name).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
    });

    test("its resources have names for settings and URIs that are templates", () => {
      for (const [name, request] of Object.entries(module.resources ?? {})) {
        expect(name).toMatch(/^[a-z][a-z0-9_]{0,31}$/);
        expect(template(request.uri).text).toBe(request.uri);
        expect(["small", "large"]).toContain(request.size);
      }
    });

    test("a tree that has nothing for it changes nothing and is no fault", async () => {
      const { context, findings } = makeContext();
      expect((await module.plan?.(context)) ?? []).toEqual([]);
      expect(findings).toEqual([]);
    });

    if (filled === undefined) return;

    test("the same tree and device give the same changes", async () => {
      const changes = (await module.plan?.(filled().context)) ?? [];
      expect(changes.length).toBeGreaterThan(0);
      expect((await module.plan?.(filled().context)) ?? []).toEqual(changes);
    });

    test("each change says which module it comes from", async () => {
      for (const change of (await module.plan?.(filled().context)) ?? [])
        expect(change.origin.module).toBe(module.name);
    });

    test("it does not touch what it is given", async () => {
      const { context } = filled();
      const frozen = { ...context, resources: Object.freeze([...context.resources]), owned: new Set(context.owned) };
      await module.plan?.(Object.freeze(frozen));
      expect(frozen.owned).toEqual(context.owned);
    });
  });
}
