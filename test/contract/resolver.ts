import { describe, expect, test } from "vitest";
import type { Evidence, Resolver, ResolverContext } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";

const RANK = { none: 0, dnssec: 1, tls: 1, local: 2 } as const;

/**
 * What every resolver keeps, whatever it asks. `knowing` is a context in which it knows an answer, `ignorant` one in which there is
 * nothing to say; each call makes a new one.
 */
export function keepsResolverContract(
  resolver: Resolver,
  contexts: { knowing: () => Promise<ResolverContext>; ignorant: () => Promise<ResolverContext> },
): void {
  describe(`${resolver.name} keeps the resolver contract`, () => {
    test("it has a plain name and a deadline that a run can wait for", () => {
      expect(resolver.name).toMatch(/^[a-z][a-z0-9-]{1,31}$/);
      expect(resolver.deadline).toBeGreaterThan(0);
      expect(resolver.deadline).toBeLessThanOrEqual(600_000);
    });

    test("it is enabled where it knows, and asking whether it is changes nothing", async () => {
      const context = await contexts.knowing();
      expect(resolver.isEnabled(context)).toBe(true);
      expect(resolver.isEnabled(context)).toBe(true);
    });

    test("what it knows is evidence of the form the core expects, and never better than it promises", async () => {
      const evidence = await resolver.resolve(await contexts.knowing());
      checkEvidence(evidence);
      expect(RANK[evidence?.evidence ?? "local"]).toBeLessThanOrEqual(RANK[resolver.evidence]);
    });

    test("the same question has the same answer", async () => {
      const [one, other] = [await contexts.knowing(), await contexts.knowing()];
      expect(await resolver.resolve(one)).toEqual(await resolver.resolve(other));
    });

    test("having nothing to say is undefined, not an error", async () => {
      const context = await contexts.ignorant();
      if (resolver.isEnabled(context)) expect(await resolver.resolve(context)).toBeUndefined();
      else expect(resolver.isEnabled(context)).toBe(false);
    });

    test("a signal that has fired ends it at once, with nothing or a known error", async () => {
      const context = { ...(await contexts.knowing()), signal: AbortSignal.abort() };
      const start = performance.now();
      const end = await resolver.resolve(context).catch((thrown: unknown) => thrown);
      expect(performance.now() - start).toBeLessThan(1000);
      if (end instanceof Error) expect(end).toBeInstanceOf(ProvisionError);
      else if (end !== undefined) checkEvidence(end as Evidence);
    });
  });
}

function checkEvidence(evidence: Evidence | undefined): void {
  expect(evidence).toBeDefined();
  expect(evidence?.uri.text).not.toBe("");
  expect(["local", "tls", "dnssec", "none"]).toContain(evidence?.evidence);
  for (const [name, value] of Object.entries(evidence?.macros ?? {})) {
    expect(name).toMatch(/^(?:txt|dhcp|lldp)_[a-z0-9_]{1,32}$/);
    expect(value).not.toMatch(/[\u0000-\u001f\u007f]/);
    expect(Buffer.byteLength(value)).toBeLessThanOrEqual(2048);
  }
  if (evidence?.beacon !== undefined) expect(evidence.beacon).toMatch(/^[\x21-\x7e]{1,64}$/);
  expect(evidence?.told).toMatch(/^.{1,300}$/);
}
