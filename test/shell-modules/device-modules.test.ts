import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import overlay from "../../hooks/overlay.ts";
import { loadDeviceModules } from "../../src/device-modules.ts";
import { asProvisionError } from "../../src/errors.ts";
import { findModuleFiles } from "../../src/module-files.ts";
import { type AshRoot, ashRoot, noAsh } from "../helpers/ash.ts";
import { hookContext } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";

const OWN = "/etc/uciprov/modules.d";
const PACKAGED = "/usr/lib/uciprov/modules.d";
const HARMLESS = "uciprov_hook_add apply a\na() { :; }\n";
const { signal } = new AbortController();

let device: AshRoot;
beforeEach(() => {
  device = ashRoot();
});
afterEach(() => device.remove());

describe("which files are modules", () => {
  const files = () => findModuleFiles(device.door.disk);
  const refusals = () => files().refused.map(({ path, reason }) => `${path} ${reason}`);

  test("those of both folders, in the order of their names; a device without the folders has none", () => {
    for (const name of ["70-late.sh", "10-early.mjs"]) device.module(name, HARMLESS);
    device.module("50-packaged", HARMLESS, PACKAGED);
    expect(files().found.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "early script",
      "packaged shell",
      "late shell",
    ]);
    device.remove();
    expect(files()).toEqual({ found: [], refused: [] });
  });

  test("an admin's file stands for the packaged one of its name", () => {
    device.module("50-led.sh", HARMLESS, PACKAGED);
    device.module("50-led.sh", HARMLESS);
    expect(files().found.map((file) => file.path)).toEqual([`${OWN}/50-led.sh`]);
  });

  test.each(["led.sh", "5-led.sh", "50-Led.sh", "50-led.bak", "50-.sh", "50-led.sh~", "README", ".50-led.sh.swp"])(
    "%s is not named like one",
    (name) => {
      device.module(name, HARMLESS);
      expect(files().found).toEqual([]);
      expect(refusals()).toHaveLength(1);
    },
  );

  test.each([0o664, 0o646, 0o666, 0o777])("mode %o can be written by others", (mode) => {
    chmodSync(join(device.root, device.module("50-led.sh", HARMLESS)), mode);
    expect(files().found).toEqual([]);
    expect(refusals()).toEqual([`${OWN}/50-led.sh can be written by others than root`]);
  });

  test.each(["etc/uciprov/modules.d", "etc/uciprov", "etc"])(
    "a folder on its way that others can write spoils it: %s",
    (folder) => {
      device.module("50-led.sh", HARMLESS);
      chmodSync(join(device.root, folder), 0o777);
      expect(files().found).toEqual([]);
      expect(refusals()[0]).toContain(`/${folder}`);
    },
  );

  test("a link is none, wherever it leads, nor is what lies behind a linked folder", () => {
    writeFileSync(join(device.root, "tmp/real.sh"), HARMLESS);
    symlinkSync("/tmp/real.sh", join(device.root, OWN, "50-led.sh"));
    expect(refusals()).toEqual([`${OWN}/50-led.sh is no plain file`]);

    rmSync(join(device.root, OWN), { recursive: true });
    mkdirSync(join(device.root, "srv"));
    writeFileSync(join(device.root, "srv/50-led.sh"), HARMLESS);
    symlinkSync("/srv", join(device.root, OWN));
    expect(files().found).toEqual([]);
    expect(refusals()).toEqual([`${OWN}/50-led.sh lies in ${OWN}, which is a link`]);
  });

  test.skipIf(process.getuid?.() !== 0)("another owner than the root folder's spoils it", () => {
    chownSync(join(device.root, device.module("50-led.sh", HARMLESS)), 65_534, 65_534);
    expect(refusals()).toEqual([`${OWN}/50-led.sh does not belong to root`]);
  });

  test("a folder or a huge file is none", () => {
    mkdirSync(join(device.root, OWN, "50-folder.sh"));
    device.module("60-huge.sh", "#".repeat(300_000));
    expect(files().found).toEqual([]);
    expect(refusals()).toHaveLength(2);
  });
});

describe.skipIf(noAsh !== undefined)("loading", () => {
  const load = () => loadDeviceModules(device.door, [overlay], signal);

  test("the shipped ones come first, the device's by their numbers", async () => {
    device.module("70-late.sh", HARMLESS);
    device.module("10-early.mjs", 'export default { name: "early" };\n');
    expect((await load()).modules.map((module) => module.name)).toEqual(["overlay", "early", "late"]);
  });

  test("what may not run is left out and told", async () => {
    chmodSync(join(device.root, device.module("50-led.sh", HARMLESS)), 0o666);
    device.module("60-overlay.sh", HARMLESS);
    const { modules, left } = await load();
    expect(modules).toEqual([overlay]);
    expect(left.map(({ path }) => path)).toEqual([`${OWN}/50-led.sh`, `${OWN}/60-overlay.sh`]);
    expect(device.logged).toHaveLength(2);
  });

  test("what may run and does not load is an error", async () => {
    device.module("50-led.sh", "if\n");
    await expect(load()).rejects.toMatchObject({ code: "HOOK_FAILED" });
  });

  test("where no program is run, none of them is", async () => {
    device.module("50-led.sh", "touch /tmp/ran\n");
    device.module("60-led.mjs", "throw new Error('ran');\n");
    const door = { ...device.door, commands: { ...device.door.commands, has: () => false } };
    expect((await loadDeviceModules(door, [], signal)).left).toHaveLength(2);
  });
});

describe("modules in JavaScript", () => {
  let count = 0;
  async function load(text: (name: string) => string) {
    const name = `mine${count++}`;
    device.module(`50-${name}.mjs`, text(name));
    const door = { ...device.door, commands: { ...device.door.commands, has: () => true } };
    const module = (await loadDeviceModules(door, [], signal)).modules[0];
    if (module === undefined) throw new Error("it was not loaded");
    return module;
  }

  test("a plain object is one", async () => {
    const module = await load(
      (name) => `export default { name: "${name}", hooks: { preinit: (ctx) => ctx.setMacro("site", "lab") } };`,
    );
    const seen = hookContext("preinit");
    await module.hooks?.preinit?.(seen.context);
    expect(seen.set).toEqual({ site: { value: "lab", isTainted: true } });
  });

  test("a function is given the tools, and makes one", async () => {
    const module = await load(
      (name) => `export default ({ defineModule, file }) => defineModule({
        name: "${name}",
        resources: { motd: { uri: "{base_uri}/motd{fd}.txt", size: "small" } },
        plan({ text, resource }) {
          const motd = text("motd");
          return motd === undefined ? [] : [file("/etc/motd", motd, { origin: resource("motd").origin })];
        },
      });`,
    );
    expect(module.resources).toEqual({ motd: { uri: "{base_uri}/motd{fd}.txt", size: "small" } });
    const { context } = planScene({ module: module.name, tree: { motd: "hello\n" } });
    expect(await module.plan?.(context)).toMatchObject([{ kind: "file", path: "/etc/motd", size: 6 }]);
  });

  test("a file that changed is another module, also in a process that stays; so is one that was mended", async () => {
    const door = { ...device.door, commands: { ...device.door.commands, has: () => true } };
    const site = async () => {
      const { modules } = await loadDeviceModules(door, [], signal);
      const seen = hookContext("preinit");
      await modules[0]?.hooks?.preinit?.(seen.context);
      return [seen.set["site"]?.value, modules[0]?.revision];
    };
    const text = (value: string) =>
      `export default { name: "changing", hooks: { preinit: (ctx) => ctx.setMacro("site", "${value}") } };`;
    device.module("50-changing.mjs", text("old"));
    const [value, revision] = await site();
    expect(value).toBe("old");
    device.module("50-changing.mjs", text("new"));
    expect(await site()).toEqual(["new", expect.not.stringMatching(String(revision))]);
    device.module("50-changing.mjs", "export default {");
    await expect(site()).rejects.toMatchObject({ code: "HOOK_FAILED" });
    device.module("50-changing.mjs", text("mended"));
    expect((await site())[0]).toBe("mended");
    device.module("50-changing.mjs", text("old"));
    expect(await site()).toEqual(["old", revision]);
  });

  test("its errors keep their code", async () => {
    const module = await load(
      (name) => `export default ({ ProvisionError }) => ({
        name: "${name}",
        hooks: { validate() { throw new ProvisionError("HOOK_VETO", "not today"); } },
      });`,
    );
    const thrown = await Promise.resolve(module.hooks?.validate?.(hookContext("validate").context)).catch(
      (error: unknown) => error,
    );
    expect(asProvisionError(thrown)).toMatchObject({ code: "HOOK_VETO", message: "not today" });
  });

  test("a promise that never settles ends with the run", async () => {
    const module = await load(
      (name) => `export default { name: "${name}", hooks: { apply: () => new Promise(() => {}) } };`,
    );
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    const hanging = module.hooks?.apply?.(hookContext("apply", { signal: stop.signal }).context);
    await expect(hanging).rejects.toMatchObject({ code: "STOPPED" });
  });

  test.each([
    ["nothing", () => "export const a = 1;"],
    ["a text", () => 'export default "module";'],
    ["another name", () => 'export default { name: "other" };'],
    ["an unknown stage", (name: string) => `export default { name: "${name}", hooks: { boot() {} } };`],
    ["a hook that is none", (name: string) => `export default { name: "${name}", hooks: { apply: 1 } };`],
    ["a plan that is none", (name: string) => `export default { name: "${name}", plan: [] };`],
    [
      "a resource without size",
      (name: string) => `export default { name: "${name}", resources: { a: { uri: "{base_uri}/a" } } };`,
    ],
    ["a syntax error", () => "export default {"],
    ["an error while it is loaded", () => 'throw new Error("no");'],
  ])("%s is refused", async (_, text) => {
    await expect(load(text)).rejects.toMatchObject({ code: "HOOK_FAILED" });
  });
});
