import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";

const SCRIPT = "openwrt-package/files/etc/hotplug.d/iface/90-uciprov";

/** What the script has `ubus` do, sourced in a subshell as hotplug-call does it; undefined if nothing. */
async function saidTo(env: Readonly<Record<string, string>>, waits: boolean): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-hotplug-"));
  try {
    const said = join(folder, "said");
    writeFileSync(
      join(folder, "ubus"),
      `#!/bin/sh\nprintf '%s\\n' "$@" >"${said}.new" && mv "${said}.new" "${said}"\n`,
    );
    chmodSync(join(folder, "ubus"), 0o755);
    const ran = spawnSync("sh", ["-c", `( . ./${SCRIPT} ); exit 0`], {
      env: { PATH: `${folder}:/usr/bin:/bin`, ...env },
      timeout: 5000,
      encoding: "utf8",
    });
    expect(ran).toMatchObject({ status: 0, stdout: "", stderr: "" });
    if (waits) await vi.waitFor(() => expect(existsSync(said)).toBe(true), { timeout: 5000 });
    else await new Promise((resolve) => setTimeout(resolve, 300));
    return existsSync(said) ? readFileSync(said, "utf8") : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("an interface that comes up is told to the daemon, by the signal that it listens to", async () => {
  const said = await saidTo({ ACTION: "ifup", INTERFACE: "wan" }, true);
  expect(said?.split("\n").slice(0, 4)).toEqual(["-S", "call", "service", "signal"]);
  expect(JSON.parse(said?.split("\n")[4] ?? "")).toEqual({ name: "uciprov", signal: constants.signals.SIGUSR2 });
});

test.each([
  { ACTION: "ifdown", INTERFACE: "wan" },
  { ACTION: "ifupdate", INTERFACE: "wan" },
  { ACTION: "ifup", INTERFACE: "loopback" },
  {},
])("%j is not", async (env) => {
  expect(await saidTo(env, false)).toBeUndefined();
});
