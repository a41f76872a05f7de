/** What `tree init` lays out works at once: lint finds nothing, a device of any kind takes it. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readInventory } from "../../src/admin/inventory.ts";
import { EXIT } from "../../src/errors.ts";
import { printPublicKey, printSecretKey } from "../../src/tree/keys.ts";
import { provisioned, scenario, start } from "../helpers/scenario.ts";

async function withFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-init-"));
  try {
    await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function well(words: readonly string[]) {
  const ended = await start([...words, "--json"]);
  expect(ended.status, ended.stdout + ended.stderr).toBe(0);
  return ended.json;
}

scenario("a tree that was begun with `tree init` lints clean, is signed, and provisions a device", async (scene) => {
  await withFolder(async (folder) => {
    const site = join(folder, "site");
    const tree = join(site, "tree");
    expect(await well(["tree", "init", site])).toMatchObject({ into: site, tree });
    const inventory = ["--inventory", join(site, "inventory.csv")];
    for (const more of [[], inventory])
      expect(await well(["tree", "lint", tree, "--strict", ...more])).toMatchObject({ findings: [] });
    expect(readInventory(join(site, "inventory.csv")).devices).toHaveLength(2);

    const secret = join(folder, "key.sec");
    writeFileSync(secret, printSecretKey(scene.bed.key));
    await well(["tree", "sign", tree, "--key", secret, "--name", "first-light"]);
    const open = join(folder, "key.pub");
    writeFileSync(open, printPublicKey(scene.bed.key));
    expect(await well(["tree", "lint", tree, "--strict", "--key", open, ...inventory])).toMatchObject({ findings: [] });

    rmSync(scene.tree, { recursive: true });
    cpSync(tree, scene.tree, { recursive: true });
    await provisioned(scene);
    expect(scene.device("/etc/config/system")).toContain("option description 'configured by uciprov'");
    expect(scene.device("/etc/config/system")).toContain("This board has no peculiarities yet.");
  });
});

test.concurrent("a folder that holds anything is left as it is, and so is a file", async () => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, ".hidden"), "mine");
    for (const place of [folder, join(folder, ".hidden")]) {
      const { status, stderr } = await start(["tree", "init", place]);
      expect({ status, stderr }).toEqual({ status: EXIT.usage, stderr: expect.stringMatching(/not empty|no folder/) });
    }
    symlinkSync("nowhere", join(folder, ".link"));
    for (const place of [join(folder, ".link"), join(folder, "not/there"), "/proc/uciprov"]) {
      const { status, stderr } = await start(["tree", "init", place]);
      expect({ status, stderr }).toEqual({ status: EXIT.usage, stderr: expect.stringContaining("cannot be made") });
    }
    expect(readdirSync(folder)).toEqual([".hidden", ".link"]);
    expect((await start(["tree", "init"])).status).toBe(EXIT.usage);
  });
});

test.concurrent("its page for colleagues names what is there, and commands that there are", async () => {
  await withFolder(async (folder) => {
    await well(["tree", "init", folder]);
    const page = readFileSync(join(folder, "README.md"), "utf8");
    for (const name of ["tree/default.uci", "inventory.csv"]) expect(page).toContain(`\`${name}\``);
    const { stdout } = await start(["help"]);
    const named = [...page.matchAll(/uciprov (tree|keys) (\w+)/g)].map(([, group, act]) => `${group} ${act} `);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((one) => !stdout.includes(one))).toEqual([]);
  });
});
