import { expect, test } from "vitest";
import staticUri from "../../resolvers/static.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext } from "./context.ts";

const set = { options: { "static.base_uri": "https://cfg.fleet.example/{board:slug}/" } };

keepsResolverContract(staticUri, { knowing: async () => aContext(set), ignorant: async () => aContext() });

test("static: the setting is the answer, macros unexpanded, and it is the device's own", async () => {
  const evidence = await staticUri.resolve(aContext(set));
  expect(evidence).toMatchObject({ uri: { text: "https://cfg.fleet.example/{board:slug}/" }, evidence: "local" });
});

test("static: without the setting it does not take part", () => {
  expect(staticUri.isEnabled(aContext())).toBe(false);
});

test("static: a malformed template is an error, not silence", async () => {
  const context = aContext({ options: { "static.base_uri": "https://cfg.fleet.example/{board" } });
  await expect(staticUri.resolve(context)).rejects.toMatchObject({ code: "MACRO_INVALID" });
});
