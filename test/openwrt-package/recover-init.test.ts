import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const INIT = resolve("openwrt-package/files/etc/init.d/uciprov-recover");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-boot-"));
  mkdirSync(join(folder, "tx/work/undo"), { recursive: true });
  journal("trial");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const journal = (state: string) =>
  writeFileSync(join(folder, "tx/journal"), `version=1\nid=x\nstate=${state}\nend=1\n`);
const undo = (...lines: string[]) =>
  writeFileSync(join(folder, "tx/work/undo/list"), ["uciprov-undo 1", ...lines, `end ${lines.length}`, ""].join("\n"));

/** A boot in which recover.sh does this; whether the device was booted once more. */
function boots(recover: string): boolean {
  writeFileSync(join(folder, "recover.sh"), `cd "${folder}/tx" && { ${recover}\n}\n`);
  const script = `. "${INIT}"; RECOVER=${folder}/recover.sh TX=${folder}/tx
logger() { :; }; sync() { :; }; reboot() { echo "reboot $*" >"${folder}/reboot"; }
boot`;
  const { status, stdout, stderr } = spawnSync("busybox", ["ash", "-c", script], {
    env: { PATH: "/usr/bin:/bin" },
    encoding: "utf8",
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  const file = join(folder, "reboot");
  if (!existsSync(file)) return false;
  expect(readFileSync(file, "utf8")).toBe("reboot -f\n");
  rmSync(file);
  return true;
}

const TAKES_BACK = "sed -i s/^state=.*/state=rolled-back/ journal; rm -rf work";

test.skipIf(noAsh).each([
  ["an init script", "restore 1 /etc/init.d/asterisk"],
  ["a link in rc.d that the tree had made", "remove 0 /etc/rc.d/S99asterisk"],
])("%s was put back: one more boot, and no second", (_, line) => {
  undo("restore 0 /etc/config/network", line);
  expect(boots(TAKES_BACK)).toBe(true);
  expect(boots(TAKES_BACK)).toBe(false);
});

test.skipIf(noAsh).each([
  ["only configuration was put back", "restore 0 /etc/config/network", TAKES_BACK],
  ["a path that only looks like one", "restore 0 /srv/etc/init.d/x", TAKES_BACK],
  ["it could not be put back", "restore 0 /etc/init.d/x", "sed -i s/^state=.*/state=rolling-back/ journal"],
  ["it stays on trial, since the plan itself rebooted", "restore 0 /etc/init.d/x", ":"],
  ["recover.sh fails", "restore 0 /etc/init.d/x", "false"],
])("%s: the boot goes on", (_, line, recover) => {
  undo(line);
  expect(boots(recover)).toBe(false);
});

test.skipIf(noAsh).each(["confirmed", "rolled-back", "prepared"])(
  "nothing had landed, or all is decided (%s): the boot goes on",
  (state) => {
    journal(state);
    undo("restore 0 /etc/init.d/x");
    expect(boots(TAKES_BACK)).toBe(false);
  },
);

test.skipIf(noAsh)("without a journal nothing happens", () => {
  rmSync(join(folder, "tx"), { recursive: true });
  mkdirSync(join(folder, "tx"));
  expect(boots(":")).toBe(false);
});
