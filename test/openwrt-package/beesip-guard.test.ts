/** The init script of the kernel guard under a device's shell, with an nft that only tells; test/real/security.test.ts runs it with nft itself. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const INIT = resolve("openwrt-package/files/etc/init.d/beesip-guard");
const HARNESS = `
procd_open_instance() { echo open; }
procd_set_param() { echo "$*"; }
procd_close_instance() { echo close; }
logger() { echo "log $*"; }
. "$INIT"
NFT=$FOLDER/nft LIB=$FOLDER/lib RULES=$FOLDER/guard.nft GUARD=$FOLDER/guard.json
"$@"
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "beesip-guard-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What nft is told; `refuses`: it takes nothing with bans in it. `sets`: what it lists. */
function call(act: string, sets: Readonly<Record<string, string>> = {}, refuses = false) {
  for (const [name, elements] of Object.entries(sets)) writeFileSync(join(folder, `${name}.set`), elements);
  const nft = `#!/bin/sh
if [ "$1" = list ]; then
	[ -f "$FOLDER/$5.set" ] || exit 1
	printf 'table inet beesip {\\n\\tset %s {\\n\\t\\ttype ipv4_addr\\n\\t\\telements = { %s }\\n\\t}\\n}\\n' "$5" "$(cat "$FOLDER/$5.set")"
	exit 0
fi
echo "$*" >>"$FOLDER/called"
[ "$1" = -f ] || exit 0
if [ "$2" = - ]; then cat >"$FOLDER/loaded"; else cp "$2" "$FOLDER/loaded"; fi
[ -z "$REFUSES" ] || ! grep -q 'add element' "$FOLDER/loaded"
`;
  writeFileSync(join(folder, "nft"), nft);
  chmodSync(join(folder, "nft"), 0o755);
  const { status, stdout, stderr } = spawnSync("busybox", ["ash", "-c", HARNESS, "harness", act], {
    env: { PATH: "/usr/bin:/bin", FOLDER: folder, INIT, ...(refuses ? { REFUSES: "1" } : {}) },
    encoding: "utf8",
  });
  const text = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  return { status, stderr, told: stdout.trim(), called: text("called").replaceAll(folder, ""), loaded: text("loaded") };
}

const RULES = "table inet beesip { }\n";

test.skipIf(noAsh)("without the module's files nothing is loaded and nothing runs; what was there goes", () => {
  expect(call("start_service")).toEqual({
    status: 0,
    stderr: "",
    told: "",
    called: "delete table inet beesip\n",
    loaded: "",
  });
});

test.skipIf(noAsh)(
  "rules are loaded in one go; the follower runs where it is told what to do, and begins anew with another file or program",
  () => {
    writeFileSync(join(folder, "guard.nft"), RULES);
    expect(call("start_service")).toMatchObject({ status: 0, told: "", called: "-f -\n", loaded: `${RULES}\n` });
    writeFileSync(join(folder, "guard.json"), "{}");
    const { told } = call("start_service");
    expect(told.replaceAll(folder, "").split("\n")).toEqual([
      "open",
      "command /usr/bin/uciprov guard",
      "file /guard.json /lib/*.cjs",
      "respawn 3600 5 0",
      "stdout 1",
      "stderr 1",
      "close",
    ]);
    expect(call("stop_service").called).toMatch(/delete table inet beesip\n$/);
  },
);

test.skipIf(noAsh)("bans are put back for the time that is left, however nft lists them", () => {
  writeFileSync(join(folder, "guard.nft"), RULES);
  const ban4 = [
    "192.0.2.1 counter packets 3 bytes 96 timeout 2m expires 1m59s952ms",
    "192.0.2.2 timeout 1d expires 23h59m59s counter packets 3 bytes 96",
    "192.0.2.3",
    "\n\t\t\t     192.0.2.4 timeout 2m expires 0s",
    "192.0.2.5 timeout 2m expires 0ms",
    "192.0.2.6 expires 400ms",
  ].join(", ");
  expect(call("start_service", { ban4, ban6: "2001:db8::1 expires 3s" }).loaded.split("\n")).toEqual([
    RULES.trim(),
    "add element inet beesip ban4 { 192.0.2.1 timeout 1m59s952ms, 192.0.2.2 timeout 23h59m59s, 192.0.2.3, 192.0.2.6 timeout 400ms }",
    "add element inet beesip ban6 { 2001:db8::1 timeout 3s }",
    "",
  ]);
});

test.skipIf(noAsh)("if the bans do not fit into the new rules, these stand without them, and the log says so", () => {
  writeFileSync(join(folder, "guard.nft"), RULES);
  const { status, told, loaded } = call("start_service", { ban4: "192.0.2.1 expires 3s" }, true);
  expect({ status, loaded }).toEqual({ status: 0, loaded: RULES });
  expect(told).toMatch(/^log .*are lost$/);
});
