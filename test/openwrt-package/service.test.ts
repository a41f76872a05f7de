import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const INIT = resolve("openwrt-package/files/etc/init.d/uciprov");

let folder: string;
let settings: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-service-"));
  settings = {};
  for (const name of ["crontabs", "lib"]) mkdirSync(join(folder, name));
  for (const name of ["core.cjs", "uciprov.cjs", "LICENSES.txt"]) writeFileSync(join(folder, "lib", name), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string) => join(folder, name);
const crontab = () => (existsSync(path("crontabs/root")) ? readFileSync(path("crontabs/root"), "utf8") : undefined);

/** The script as rc.common sources it, with procd's functions telling what they are called with, and its places in a folder of this test. */
const HARNESS = `
extra_command() { :; }
procd_open_instance() { echo open; }
procd_set_param() { echo "$*"; }
procd_close_instance() { echo close; }
procd_add_reload_trigger() { echo "reload on $*"; }
procd_add_raw_trigger() { echo "on $*"; }
procd_send_signal() { echo "signal $*"; }
service_running() { [ -n "$RUNNING" ]; }
rc_procd() { "$@"; }
enabled() { [ -z "$DISABLED" ]; }
start() { start_service; }
config_load() { :; }
config_get() { eval "$1=\\"\\\${SET_$2_$3-\\$4}\\""; }
config_get_bool() { config_get "$@"; }
logger() { echo "log $*"; }
fsync() { :; }
sleep() { [ -z "$STOPS" ] || stop_service; echo "sleep $1$({ : >&1000; } 2>/dev/null && echo ' with the lock')" >>"$FOLDER/slept"; }
exec 1000>"$FOLDER/lock"
[ -z "$BLOCKS" ] || { trap '' XFSZ; ulimit -f "$BLOCKS"; }
. "$INIT"
SELF=$FOLDER/self LIB=$FOLDER/lib CRON=$FOLDER/cron CRONTAB=$FOLDER/crontabs/root JOURNAL=$FOLDER/journal
CONFIRMED=$FOLDER/confirmed.json STATUS=$FOLDER/status.json PENDING=$FOLDER/run/pending RETRIED=$FOLDER/run/retried STOPPED=$FOLDER/run/stopped NEWS=$FOLDER/changed
uciprov_line_is() { uciprov_read; uciprov_line; }
"$@"
wait
`;

function call(words: readonly string[], env: Record<string, string> = {}): string[] {
  for (const name of ["self", "cron"]) {
    writeFileSync(path(name), `#!/bin/sh\necho "${name} $*" >>"${path("called")}"\n`);
    chmodSync(path(name), 0o755);
  }
  const set = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`SET_${name}`, value]));
  const { status, stdout, stderr } = spawnSync("busybox", ["ash", "-c", HARNESS, "harness", ...words], {
    env: { PATH: "/usr/bin:/bin", FOLDER: folder, INIT, ...set, ...env },
    encoding: "utf8",
  });
  expect({ status, stderr: env["BLOCKS"] === undefined ? stderr : "" }).toEqual({ status: 0, stderr: "" });
  return stdout.replaceAll(folder, "").trim().split("\n");
}

const called = () => (existsSync(path("called")) ? readFileSync(path("called"), "utf8").trim().split("\n") : []);

/** What procd compares by content: a process of the old version must not load parts of the new one. */
const VERSION = "file /lib/core.cjs /lib/uciprov.cjs";
const PROCD = [VERSION, "term_timeout 150", "stdout 1", "stderr 1", "close"];
const DAEMON = ["open", "command /usr/bin/uciprov daemon", "respawn 3600 5 0", ...PROCD];
const ONCE = ["open", "command /usr/bin/uciprov run --quiet", ...PROCD];

test.skipIf(noAsh)(
  "by default a daemon stays, is started again for ever, has time to put a trial back, and no crontab is written",
  () => {
    expect(call(["boot"])).toEqual(DAEMON);
    expect(crontab()).toBeUndefined();
    expect(call(["service_triggers"])).toEqual(["reload on uciprov"]);
  },
);

test.skipIf(noAsh)(
  "with crond a run ends by itself, the crontab starts the next, and a second start writes nothing",
  () => {
    settings = { schedule_by: "crond", schedule_cron: "5,35 2-4 * * mon" };
    writeFileSync(path("crontabs/root"), "1 2 3 4 5 somebody else's\n");
    expect(call(["start"])).toEqual(ONCE);
    expect(crontab()).toBe(`1 2 3 4 5 somebody else's\n5,35 2-4 * * mon ${path("self")} scheduled # uciprov\n`);
    expect(called()).toEqual(["cron restart"]);
    const { ino } = statSync(path("crontabs/root"));
    expect(call(["start"])).toEqual(ONCE);
    expect([statSync(path("crontabs/root")).ino, called().length]).toEqual([ino, 1]);
    expect(call(["service_triggers"])).toEqual(["reload on uciprov", "on interface.* 5000 /self retry"]);
  },
);

test.skipIf(noAsh)("back with a daemon, switched off, or removed: only our line leaves the crontab", () => {
  for (const [change, word] of [
    [{ schedule_by: "daemon" }, "start"],
    [{ schedule_by: "crond", main_enabled: "0" }, "start"],
    [{ schedule_by: "crond" }, "unschedule"],
  ] as const) {
    writeFileSync(path("crontabs/root"), "1 2 3 4 5 somebody else's\n");
    settings = { schedule_by: "crond" };
    call(["start"]);
    settings = change;
    call([word]);
    expect(crontab()).toBe("1 2 3 4 5 somebody else's\n");
  }
});

test.skipIf(noAsh)("a line that only speaks of uciprov is somebody else's", () => {
  const others = "# uciprov's own line is below\n0 3 * * * /root/save /etc/uciprov # uciprov's keys\n";
  writeFileSync(path("crontabs/root"), others);
  settings = { schedule_by: "crond" };
  call(["start"]);
  expect(crontab()).toBe(`${others}*/30 * * * * ${path("self")} scheduled # uciprov\n`);
  call(["unschedule"]);
  expect(crontab()).toBe(others);
});

test.skipIf(noAsh)("the crontab keeps its mode; one that was not there is root's alone", () => {
  settings = { schedule_by: "crond" };
  const modes = [undefined, 0o600, 0o640].map((mode) => {
    rmSync(path("crontabs/root"), { force: true });
    if (mode !== undefined) {
      writeFileSync(path("crontabs/root"), "PASSWORD=secret\n");
      chmodSync(path("crontabs/root"), mode);
    }
    call(["start"]);
    return statSync(path("crontabs/root")).mode & 0o777;
  });
  expect(modes).toEqual([0o600, 0o600, 0o640]);
});

test.skipIf(noAsh).each([
  ["for what others have in it", "1 2 3 4 5 job\n".repeat(100)],
  ["for our line alone", "1 2 3 4 5 job\n".repeat(36)],
])("on a disk without room %s the crontab stays whole, and that is told", (_, others) => {
  settings = { schedule_by: "crond" };
  writeFileSync(path("crontabs/root"), others);
  const told = call(["start"], { BLOCKS: "1" }).filter((line) => line.startsWith("log "));
  expect(told).toEqual([expect.stringMatching(/^log -t uciprov .*cannot be written: it stays as it is$/)]);
  expect(crontab()).toBe(others);
  expect(readdirSync(path("crontabs"))).toEqual(["root"]);
  expect(called()).toEqual([]);
});

test.skipIf(noAsh)("switched off, nothing is started", () => {
  settings = { main_enabled: "0" };
  expect(call(["start"])).toEqual([""]);
});

test.skipIf(noAsh)(
  "after a boot with crond, a device that works waits its turn; one without configuration, or on trial, does not",
  () => {
    settings = { schedule_by: "crond", schedule_jitter: "300" };
    expect(call(["boot"])).toEqual(ONCE);
    writeFileSync(path("confirmed.json"), "{}");
    writeFileSync(path("journal"), "version=1\nstate=trial\nend=1\n");
    expect(call(["boot"])).toEqual(ONCE);
    writeFileSync(path("journal"), "version=1\nstate=confirmed\nend=1\n");
    expect(call(["boot"])).toEqual([""]);
    expect(called()).toContain("self start");
    const pause = Number(/sleep (\d+)/.exec(readFileSync(path("slept"), "utf8"))?.[1] ?? 0);
    expect(pause).toBeLessThanOrEqual(300);
  },
);

test.skipIf(noAsh)(
  "an interface that comes up has a failed run made again, and no other, and not at every renewal of a lease",
  () => {
    const retry = () => {
      mkdirSync(path("run"), { recursive: true });
      writeFileSync(path("run/retried"), "-600\n");
      return call(["retry"]);
    };
    settings = { schedule_by: "crond" };
    expect(retry()).toEqual(ONCE);
    expect(call(["retry"])).toEqual([""]);
    writeFileSync(path("run/retried"), `${Math.floor(uptime()) - 61}\n`);
    expect(call(["retry"])).toEqual(ONCE);
    writeFileSync(path("confirmed.json"), "{}");
    writeFileSync(path("run/retried"), `${Math.floor(uptime()) - 61}\n`);
    expect(call(["retry"])).toEqual([""]);
    writeFileSync(path("status.json"), '{"version":1,"state":"ended","exit":"try-later"}\n');
    expect(retry()).toEqual(ONCE);
    writeFileSync(path("status.json"), '{"version":1,"state":"ended","exit":"provisioned"}\n');
    expect(retry()).toEqual([""]);
    settings = {};
    rmSync(path("status.json"));
    expect(retry()).toEqual([""]);
  },
);

test.skipIf(noAsh)(
  "with crond a changed lease has even a device that works look at once, once, and not every second",
  () => {
    settings = { schedule_by: "crond" };
    writeFileSync(path("confirmed.json"), "{}");
    writeFileSync(path("status.json"), '{"version":1,"state":"ended","exit":"provisioned"}\n');
    const news = () => writeFileSync(path("changed"), "");
    news();
    expect(call(["retry"]), "before the service's place in the boot").toEqual([""]);
    expect(call(["start"])).toEqual(ONCE);
    news();
    expect(call(["retry"])).toEqual(ONCE);
    expect(existsSync(path("changed"))).toBe(false);
    expect(call(["retry"])).toEqual([""]);
    news();
    expect(call(["retry"])).toEqual([""]);
    writeFileSync(path("run/retried"), `${Math.floor(uptime()) - 61}\n`);
    expect(call(["retry"])).toEqual(ONCE);
  },
);

test.skipIf(noAsh)("with crond a lease that changes during a run is looked at after it", () => {
  settings = { schedule_by: "crond" };
  call(["start"]);
  writeFileSync(path("changed"), "");
  expect(call(["retry"], { RUNNING: "1" })).toEqual([""]);
  expect(called().at(-1)).toBe("self start");
  expect(call(["start"], { RUNNING: "1" })).toEqual(ONCE);
  expect(existsSync(path("changed"))).toBe(true);
});

test.skipIf(noAsh)("after a boot with crond, neither interfaces nor new leases hurry a device that works", () => {
  settings = { schedule_by: "crond", schedule_jitter: "300" };
  writeFileSync(path("confirmed.json"), "{}");
  expect(call(["boot"])).toEqual([""]);
  expect(call(["retry"])).toEqual([""]);
  writeFileSync(path("changed"), "");
  expect(call(["retry"])).toEqual([""]);
  const until = Number(readFileSync(path("run/retried"), "utf8"));
  expect(Math.abs(until - uptime() - 300)).toBeLessThan(60);
});

test.skipIf(noAsh)("`disable` holds for the crontab's line and for new leases, too", () => {
  settings = { schedule_by: "crond", schedule_jitter: "0" };
  call(["scheduled"]);
  expect(called()).toEqual(["self start"]);
  mkdirSync(path("run"));
  writeFileSync(path("run/retried"), "-600\n");
  expect(call(["retry"])).toEqual(ONCE);
  writeFileSync(path("run/retried"), "-600\n");
  for (const word of ["scheduled", "retry"]) expect(call([word], { DISABLED: "1" })).toEqual([""]);
  expect(called().filter((line) => line.startsWith("self"))).toEqual(["self start"]);
});

test.skipIf(noAsh)(
  "`stop` holds until somebody starts it: for a run that waits already, for the crontab, and for new leases",
  () => {
    settings = { schedule_by: "crond", schedule_jitter: "300" };
    const started = () => called().filter((line) => line.startsWith("self"));
    expect(call(["start"])).toEqual(ONCE);
    writeFileSync(path("confirmed.json"), "{}");
    for (const word of ["scheduled", "boot"]) call([word], { STOPS: "1" });
    writeFileSync(path("journal"), "state=trial\n");
    call(["reload_service"], { RUNNING: "1", STOPS: "1" });
    writeFileSync(path("run/retried"), "-600\n");
    for (const word of ["scheduled", "retry"]) expect(call([word])).toEqual([""]);
    expect(started()).toEqual([]);
    expect(call(["start"])).toEqual(ONCE);
    call(["scheduled"]);
    expect(started()).toEqual(["self start"]);
  },
);

test.skipIf(noAsh)("nobody who calls the script waits for a run that waits for its turn", () => {
  settings = { schedule_by: "crond", schedule_jitter: "90000" };
  writeFileSync(path("confirmed.json"), "{}");
  for (const word of ["scheduled", "boot"]) {
    call([word]);
    expect(readFileSync(path("slept"), "utf8"), word).toMatch(/^sleep \d+\n$/);
    rmSync(path("slept"));
  }
  writeFileSync(path("journal"), "state=trial\n");
  call(["reload_service"], { RUNNING: "1" });
  expect(readFileSync(path("slept"), "utf8")).not.toContain("lock");
});

test.skipIf(noAsh).each([
  ["08", 8],
  ["0000", 0],
  ["00017", 17],
])("a jitter of %s is one of %d seconds", (jitter, seconds) => {
  settings = { schedule_by: "crond", schedule_jitter: jitter };
  writeFileSync(path("confirmed.json"), "{}");
  call(["boot"]);
  const until = Number(readFileSync(path("run/retried"), "utf8"));
  expect(Math.abs(until - uptime() - seconds)).toBeLessThan(3);
});

test.skipIf(noAsh)("reload asks a daemon that was there to look now, and one that was not is started", () => {
  expect(call(["reload_service"], { RUNNING: "1" })).toEqual([...DAEMON, "signal uciprov * HUP"]);
  expect(call(["reload_service"])).toEqual(DAEMON);
});

test.skipIf(noAsh).each(["prepared", "applying", "trial", "rolling-back"])(
  "while a transaction is %s a reload waits for its end, once however often it is asked for",
  (state) => {
    writeFileSync(path("journal"), `version=1\nid=x\nstate=${state}\nend=1\n`);
    expect(call(["reload_service"], { RUNNING: "1" })).toEqual([""]);
    expect(called()).toEqual(["self reload"]);
    mkdirSync(path("run/pending"));
    expect(call(["reload_service"], { RUNNING: "1" })).toEqual([""]);
    expect(called()).toEqual(["self reload"]);
  },
);

test.skipIf(noAsh).each([
  ["@hourly", "0 * * * *"],
  ["@daily", "0 0 * * *"],
  ["*/5 0-6,22,23 1-31/2 jan-mar,dec sun", "*/5 0-6,22,23 1-31/2 jan-mar,dec sun"],
  ["0 3 L * *", undefined],
  ["0 3 * * 5L", undefined],
  ["0 3 * * 7", "0 3 * * 0"],
  ["0 3 * * 5-7,2,7", "0 3 * * 5-6,0,2,0"],
  ["0 3 * * 0-7", "0 3 * * *"],
  ["0 3 * * */7", "0 3 * * */7"],
  ["05 00 01 12 06", "05 00 01 12 06"],
  ["0 22-6 * JAN Sun-sat/2", "0 22-6 * JAN Sun-sat/2"],
  ["0 3 * * 1-7/2", undefined],
  ["60 * * * *", undefined],
  ["* 24 * * *", undefined],
  ["* * 0 * *", undefined],
  ["* * 32 * *", undefined],
  ["* * * 13 *", undefined],
  ["* * * * 8", undefined],
  ["* * * * fry", undefined],
  ["* * * sun *", undefined],
  ["*/0 * * * *", undefined],
  ["5- * * * *", undefined],
  ["*5 * * * *", undefined],
  ["1-2-3 * * * *", undefined],
  ["- - - - -", undefined],
  [", * * * *", undefined],
  ["* * * *", undefined],
  ["* * * * * id", undefined],
  ["* * * * *\n* * * * * id", undefined],
  ["* * * * * ; id", undefined],
  ["* * * * $(id)", undefined],
  ["*\t* * * *", undefined],
  ["", undefined],
])("schedule %j becomes %j for crond, or the usual one", (cron, expected) => {
  settings = { schedule_by: "crond", schedule_cron: cron };
  const lines = call(["uciprov_line_is"]);
  expect(lines.at(-1)).toBe(`${expected ?? "*/30 * * * *"} /self scheduled # uciprov`);
  expect(lines.length).toBe(expected === undefined ? 2 : 1);
});

test.skipIf(noAsh)("whatever a schedule says, the crontab gets one line, and it runs nothing but us", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."*/,-0 5aL#;\n$`%'\"\\") }), (cron) => {
      settings = { schedule_by: "crond", schedule_cron: cron };
      expect(call(["uciprov_line_is"]).at(-1)).toMatch(/^(?:[0-9A-Za-z*,/-]+ ){5}\/self scheduled # uciprov$/);
    }),
    { numRuns: 25 },
  );
});
