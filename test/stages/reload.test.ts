/** What procd is told after a change, and what `reload_config` will find afterwards. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Commands } from "../../src/api.ts";
import { openDisk } from "../../src/host/disk.ts";
import { readSettings } from "../../src/settings.ts";
import { reload } from "../../src/stages/reload.ts";
import { aRunContext } from "../helpers/run-context.ts";

const { settings } = readSettings(undefined);
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const line = (hash: string, name: string) => `${hash}  /var/run/config.check/${name}`;

function bench(
  of: { baseline?: readonly string[]; configs?: readonly string[]; ubusSays?: number; has?: string[] } = {},
) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-reload-"));
  mkdirSync(join(root, "etc/config"), { recursive: true });
  mkdirSync(join(root, "var/run"), { recursive: true });
  for (const name of of.configs ?? ["network", "system", "uciprov", "theirs"])
    writeFileSync(join(root, "etc/config", name), "");
  if (of.baseline) writeFileSync(join(root, "var/run/config.md5"), `${of.baseline.join("\n")}\n`);
  const calls: string[] = [];
  const said: string[] = [];
  const commands: Commands = {
    has: (name) => (of.has ?? ["ubus", "uci", "reload_config"]).includes(name),
    async run(name, args) {
      calls.push([name, ...args].join(" "));
      const status = name === "ubus" ? (of.ubusSays ?? 0) : 0;
      return { status, signal: null, stdout: name === "uci" ? `${args[1]}.x=y\n` : "", stderr: "no", timedOut: false };
    },
  };
  const disk = openDisk(root);
  const ctx = aRunContext({ disk, commands, log: (level, text) => said.push(`${level} ${text}`) });
  const events = () => calls.flatMap((call) => /^ubus call service event (.*)$/.exec(call)?.[1] ?? []);
  return { ctx, calls, said, events, baseline: () => disk.read("/var/run/config.md5")?.trimEnd().split("\n") };
}

test("an event for each package that changed, ours last; reload_config is not called, which would reload others' as well", async () => {
  const { ctx, calls, events } = bench();
  expect(await reload(ctx, settings, ["uciprov", "network", "system"])).toBe(true);
  expect(events().map((event) => JSON.parse(event))).toEqual(
    ["network", "system", "uciprov"].map((name) => ({ type: "config.change", data: { package: name } })),
  );
  expect(calls.filter((call) => call.startsWith("reload_config"))).toEqual([]);
});

test("the baseline is right for ours afterwards, new, changed and gone, and as it was for all others", async () => {
  const theirs = line(md5("not what it is now"), "theirs");
  const { ctx, baseline } = bench({
    baseline: [line(md5("old"), "network"), theirs, line(md5("x"), "gone"), line(md5("y"), "network2")],
  });
  await reload(ctx, settings, ["network", "system", "gone"]);
  expect(baseline()).toEqual([
    theirs,
    line(md5("y"), "network2"),
    line(md5("network.x=y\n"), "network"),
    line(md5("system.x=y\n"), "system"),
  ]);
});

test("without a baseline none is made: the first reload_config makes it", async () => {
  const { ctx, baseline } = bench();
  await reload(ctx, settings, ["network"]);
  expect(baseline()).toBeUndefined();
});

test("nothing changed, a device without procd, reloading switched off: nobody is asked", async () => {
  const { ctx, calls } = bench();
  expect(await reload(ctx, settings, [])).toBe(false);
  expect(await reload(bench({ has: [] }).ctx, settings, ["network"])).toBe(false);
  expect(await reload(ctx, { ...settings, main: { ...settings.main, reload: false } }, ["network"])).toBe(false);
  expect(calls).toEqual([]);
});

test("a procd that does not listen is told and no more: the probes decide", async () => {
  const { ctx, said } = bench({ ubusSays: 4 });
  expect(await reload(ctx, settings, ["network"])).toBe(true);
  expect(said.join()).toContain("warning telling procd of network ended with 4");
});
