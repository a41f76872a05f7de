/** The init script that hands Kamailio its extensions, under a device's shell, with a kamcmd that only tells; test/real/extensions.test.ts runs it with Kamailio. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const INIT = resolve("openwrt-package/files/etc/init.d/beesip-kamailio");
/** As rc.common ends (openwrt/openwrt: package/base-files/files/etc/rc.common). */
const HARNESS = `
sleep() { echo "sleep $1" >>"$FOLDER/called"; }
. "$INIT"
EXTENSIONS=$FOLDER/extensions KAMCMD=$FOLDER/kamcmd PIDFILE=$FOLDER/pid
action=$1
[ "$action" = reload ] && action='eval reload || restart && :'
$action
`;
const OLD = "a".repeat(64);
const NEW = "b".repeat(64);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "beesip-kamailio-"));
  writeFileSync(join(folder, "extensions"), `name(string) value(string)\nsecret/101:x/2\nversion:${NEW}\n`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");

/**
 * `has`: the version that this Kamailio has. `takes`: with which `htable.reload` it takes the file's, none by default. `silent`: how often nobody answers.
 */
function call(act: string, { has = OLD, takes = 0, silent = 0 } = {}) {
  const kamcmd = `#!/bin/sh
echo "$3 $4 $5" >>"$FOLDER/called"
if [ "$(grep -c . "$FOLDER/called")" -le ${silent} ]; then
	echo 'ERROR: connect_unix_sock: connect(/var/run/kamailio/kamailio_ctl): Connection refused [111]'
	exit 255
fi
case $3 in
htable.get) printf '{\\n\\titem: {\\n\\t\\tname: version\\n\\t\\tvalue: %s\\n\\t\\tflags: 2\\n\\t}\\n}\\n' "$(cat "$FOLDER/has")" ;;
htable.reload)
	[ "$(grep -c reload "$FOLDER/called")" != ${takes} ] || sed -n 's/^version://p' "$FOLDER/extensions" >"$FOLDER/has"
	echo 'error: 500 - Error reading extensions' ;;
esac
`;
  writeFileSync(join(folder, "has"), has);
  writeFileSync(join(folder, "kamcmd"), kamcmd);
  chmodSync(join(folder, "kamcmd"), 0o755);
  const { status, stdout, stderr } = spawnSync("busybox", ["ash", "-c", HARNESS, "harness", act], {
    env: { PATH: "/usr/bin:/bin", FOLDER: folder, INIT },
    encoding: "utf8",
  });
  const called = text("called").trim().replaceAll("extension", "").split("\n");
  return { status, stdout, stderr, called: called.map((one) => one.replace(/ +/g, " ").trim()) };
}

/** A process of this name, whose id stands in the file that Kamailio leaves. */
async function running<T>(name: string, act: () => T): Promise<T> {
  const child = spawn("/bin/sh", ["-c", `printf %s ${name} >/proc/$$/comm; echo; read -r _`], { stdio: "pipe" });
  try {
    await new Promise((named) => child.stdout.once("data", named));
    writeFileSync(join(folder, "pid"), `${child.pid}\n`);
    return act();
  } finally {
    child.kill();
  }
}

const GET = "htable.get version";
const RELOAD = "htable.reload";

test.skipIf(noAsh)("without a table nobody is asked anything, nor at start, stop and boot", () => {
  for (const act of ["start", "stop"]) expect(call(act)).toMatchObject({ status: 0, called: [""] });
  rmSync(join(folder, "extensions"));
  for (const act of ["reload", "restart"])
    expect(call(act)).toEqual({ status: 0, stdout: "", stderr: "", called: [""] });
});

test.skipIf(noAsh)("a Kamailio that has the file's version already is left alone", () => {
  expect(call("reload", { has: NEW })).toEqual({ status: 0, stdout: "", stderr: "", called: [GET, GET] });
});

test.skipIf(noAsh)("one that takes it is asked once, and then what it has", () => {
  expect(call("reload", { takes: 1 })).toMatchObject({ status: 0, stderr: "", called: [GET, GET, RELOAD, GET] });
});

test.skipIf(noAsh)("one that did not look at the file, whose time is the one before, does so a second later", () => {
  utimesSync(join(folder, "extensions"), 1000, 1000);
  const { status, stderr, called } = call("reload", { takes: 2 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(called).toEqual([GET, GET, RELOAD, GET, "sleep 1", GET, RELOAD, GET]);
  expect(statSync(join(folder, "extensions")).mtimeMs).toBeGreaterThan(1_000_000);
});

test.skipIf(noAsh)("one that refuses it is an error with its words, and no second try by rc.common", () => {
  const { status, stderr, called } = call("reload");
  expect(status).toBe(1);
  expect(stderr).toMatch(/goes on with the extensions it has: error: 500 - Error reading/);
  expect(called.filter((one) => one === RELOAD)).toHaveLength(2);
});

test.skipIf(noAsh)("a file that was cut is not even handed over", () => {
  writeFileSync(join(folder, "extensions"), "name(string) value(string)\nsecret/101:x/2\n");
  expect(call("reload")).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/does not end with its version/),
    called: [""],
  });
});

test.skipIf(noAsh)("a Kamailio that is not there reads the file when it starts, whatever it left behind", async () => {
  expect(call("reload", { silent: 99 })).toMatchObject({ status: 0, stderr: "", called: [GET] });
  writeFileSync(join(folder, "called"), "");
  expect(await running("other", () => call("reload", { silent: 99 }))).toMatchObject({ status: 0, called: [GET] });
});

test.skipIf(noAsh)("one that is just starting is waited for, and one that never answers is an error", async () => {
  await running("kamailio", () => {
    const { status, called } = call("reload", { silent: 4, has: NEW });
    expect({ status, called }).toEqual({ status: 0, called: [GET, "sleep 1", GET, "sleep 1", GET, GET] });
    writeFileSync(join(folder, "called"), "");
    expect(call("reload", { silent: 999 })).toMatchObject({ status: 1, stderr: expect.stringMatching(/refused/) });
    expect(text("called").match(/sleep/g)).toHaveLength(29);
  });
});
