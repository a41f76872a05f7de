import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Module } from "../../src/api.ts";
import { loadDeviceModules } from "../../src/device-modules.ts";
import { STAGES } from "../../src/stages/table.ts";
import { type AshRoot, ashRoot, noAsh } from "../helpers/ash.ts";
import { hookContext } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";

const docs = readFileSync("docs/modules.md", "utf8");
const library = readFileSync("openwrt-package/files/lib/uciprov/functions.sh", "utf8");

/** The first code block of a language. */
function example(language: string): string {
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(docs)?.[1] ?? "";
}

describe("docs/modules.md", () => {
  test("tells every function of the library, and no other", () => {
    const inLibrary = [...library.matchAll(/^(uciprov_[a-z]+(?:_[a-z]+)?)\(\)/gm)].map(([, name]) => name);
    const inDocs = new Set([...docs.matchAll(/\b(uciprov_[a-z]+(?:_add)?)\b/g)].map(([, name]) => name));
    inDocs.delete("uciprov_preapply");
    expect([...inDocs].sort()).toEqual(inLibrary.sort());
  });

  test("tells every stage a function can stand in, as the library knows them", () => {
    const table = docs.slice(docs.indexOf("### Stages"), docs.indexOf("### Functions"));
    const inDocs = [...table.matchAll(/^\| `([a-z]+)`/gm)].map(([, name]) => name);
    const [, listed = ""] = /^# Stages: ([a-z ]+)\.$/m.exec(library) ?? [];
    expect(inDocs).toEqual(listed.split(" "));
    const ours = STAGES.filter((stage) => stage.hooks !== undefined).map((stage) => stage.name);
    expect(inDocs.filter((name) => !["plan", "done", "failed"].includes(name ?? ""))).toEqual(ours);
  });
});

describe.skipIf(noAsh !== undefined)("the examples of docs/modules.md can be copied", () => {
  let device: AshRoot;
  beforeEach(() => {
    device = ashRoot();
  });
  afterEach(() => device.remove());

  async function load(fileName: string, text: string): Promise<Module> {
    device.module(fileName, text);
    const { modules } = await loadDeviceModules(device.door, [], new AbortController().signal);
    if (modules[0] === undefined) throw new Error("it was not loaded");
    return modules[0];
  }

  async function plan(module: Module, tree: Readonly<Record<string, string>>) {
    const { context, findings } = planScene({ module: module.name, tree });
    const resources = context.resources.map((one) => ({
      ...one,
      content: { bytes: Buffer.from(tree[one.name] ?? "") },
    }));
    return { changes: (await module.plan?.({ ...context, resources })) ?? [], findings };
  }

  test("the one in shell", async () => {
    const module = await load("60-phonebook.sh", example("sh"));
    expect(await plan(module, {})).toEqual({ changes: [], findings: [] });
    const { changes } = await plan(module, { phonebook: "# ours\n100 anna b\n\n+420 ben\n" });
    expect(changes).toMatchObject([{ kind: "file", path: "/etc/asterisk/phonebook.conf", mode: 0o640 }]);
    const [change] = changes;
    const content = change?.kind === "file" && change.content.kind === "bytes" ? change.content.bytes : "";
    expect(Buffer.from(content).toString()).toBe("[phonebook]\n100 = anna b\n+420 = ben\n");
    expect((await plan(module, { phonebook: "100 anna\n1OO ben\n" })).findings).toMatchObject([
      { severity: "error", message: "phonebook.txt, line 2: 1OO is no number" },
    ]);
    await module.hooks?.postapply?.(hookContext("postapply").context);
  });

  test("the one in JavaScript", async () => {
    const module = await load("50-banner.mjs", example("js"));
    expect((await plan(module, {})).changes).toEqual([]);
    expect((await plan(module, { banner: "hello\n" })).changes).toMatchObject([
      { kind: "file", path: "/etc/banner", size: 6 },
    ]);
    await module.hooks?.done?.(hookContext("done").context);
  });
});
