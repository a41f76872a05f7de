import { execFileSync, spawnSync } from "node:child_process";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applyActions } from "../../src/transaction/apply.ts";
import { readJournal } from "../../src/transaction/journal.ts";
import { TX } from "../../src/transaction/layout.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { runningFirmware } from "../../src/transaction/running-firmware.ts";
import { type Held, holds, onDisk, plant } from "./held.ts";
import { type Both, bothTrees, judge, LIVES, liveUntil, oldDevice, promisedBy, recovering } from "./lives.ts";
import { RECOVER_SH, recoverSh, skipsShell } from "./recover-shell.ts";
import { copyTree, scratchRoot } from "./scratch-root.ts";
import { ShellEnds } from "./shell-ends.ts";
import { bytes, copyArchived, life, plantOld, snapshot, specimenOrder, write } from "./specimen.ts";
import { SPOILT_JOURNALS, SPOILT_LISTS } from "./spoilt.ts";

let both: Both;
let root: ReturnType<typeof scratchRoot>;
beforeAll(async () => {
  both = await bothTrees();
});
beforeEach(() => {
  root = scratchRoot();
});
afterEach(() => root.remove());

async function onTrial(changed: Parameters<typeof specimenOrder>[0] = {}): Promise<void> {
  const host = life(root.disk, "1");
  const prepared = await prepare(host, specimenOrder(changed), copyArchived);
  if (prepared.kind === "ready") applyActions(host, prepared);
}

function replace(path: string, text: string): void {
  root.disk.unlink(path);
  root.disk.writeNew(path, bytes(text), { mode: 0o600 });
}

test.skipIf(skipsShell || spawnSync("shellcheck", ["--version"]).status !== 0)(
  "recover.sh is clean by shellcheck",
  () => {
    execFileSync("shellcheck", ["-s", "sh", RECOVER_SH]);
  },
);

describe.skipIf(skipsShell)("recover.sh under busybox ash", () => {
  test("brings the old tree back from a trial and leaves what Node needs to tell of it", async () => {
    plantOld(root.disk);
    await onTrial();
    const { status, stderr } = recoverSh(root.path);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(snapshot(root.disk)).toBe(both.old);
    expect(readJournal(root.disk)).toMatchObject({ state: "rolled-back", reason: "cut while trial", attempt: 2 });
    expect(root.disk.list(TX.folder)).toEqual(["journal"]);
    const before = snapshot(root.disk, true);
    expect(recoverSh(root.path).status).toBe(0);
    expect(snapshot(root.disk, true)).toBe(before);
  });

  test("keeps what is to be remembered of the tree, and takes a journal of the version before, which knew less of it", async () => {
    plantOld(root.disk);
    const tree = { ...specimenOrder().tree, successor: "next", date: 253_402_300_799_000, isLab: true } as const;
    await onTrial({ tree });
    expect(recoverSh(root.path)).toMatchObject({ status: 0 });
    expect(readJournal(root.disk)).toMatchObject({ state: "rolled-back", tree });
    const own = scratchRoot();
    plantOld(own.disk);
    const prepared = await prepare(life(own.disk, "1"), specimenOrder(), copyArchived);
    if (prepared.kind === "ready") applyActions(life(own.disk, "1"), prepared);
    const text = own.disk.read(TX.journal) ?? "";
    own.disk.unlink(TX.journal);
    own.disk.writeNew(TX.journal, bytes(text.replace(/^tree-(date|lab)=.*\n/gm, "")), { mode: 0o600 });
    expect(recoverSh(own.path)).toMatchObject({ status: 0 });
    expect(readJournal(own.disk)?.tree).toEqual(specimenOrder().tree);
    expect(snapshot(own.disk)).toBe(both.old);
    own.remove();
  });

  test("has nothing to do without a journal, and leaves a confirmed one to Node", async () => {
    plantOld(root.disk);
    expect(recoverSh(root.path)).toMatchObject({ status: 0, stderr: "" });
    await onTrial();
    replace(TX.journal, (root.disk.read(TX.journal) ?? "").replace("state=trial", "state=confirmed"));
    const before = snapshot(root.disk, true);
    expect(recoverSh(root.path)).toMatchObject({ status: 0, stderr: "" });
    expect(snapshot(root.disk, true)).toBe(before);
    await recovering(life(root.disk, "2"));
    expect(snapshot(root.disk)).toBe(both.new);
  });

  test("lets a plan that reboots pass one boot, durably, and takes it back at the next", async () => {
    plantOld(root.disk);
    await onTrial({ rebootAllowed: true });
    const onTrialTree = snapshot(root.disk);
    expect(recoverSh(root.path).status).toBe(0);
    expect(snapshot(root.disk)).toBe(onTrialTree);
    expect(readJournal(root.disk)).toMatchObject({ state: "trial", rebootAllowed: false });
    expect(readJournal(root.disk)?.rebooted).toMatch(/^[0-9a-f-]{36}$/);
    expect(recoverSh(root.path).status).toBe(0);
    expect(snapshot(root.disk)).toBe(both.old);
  });

  test("discards a journal of another firmware, loudly, without undoing", async () => {
    plantOld(root.disk);
    await onTrial({ firmware: "r1-other" });
    const before = snapshot(root.disk);
    const { status, stderr } = recoverSh(root.path);
    expect(status).toBe(0);
    expect(stderr).toContain("r1-other");
    expect(snapshot(root.disk)).toBe(before);
    expect(root.disk.list(TX.folder)).toEqual([]);
  });

  test("reads DISTRIB_REVISION however it is quoted", async () => {
    for (const line of ["DISTRIB_REVISION=r5-a", 'DISTRIB_REVISION="r5-a"', "DISTRIB_REVISION='r5-a'"]) {
      const own = scratchRoot();
      plantOld(own.disk);
      own.disk.unlink("/etc/openwrt_release");
      own.disk.writeNew("/etc/openwrt_release", bytes(`DISTRIB_ID='x'\n${line}\n`), { mode: 0o644 });
      const host = life(own.disk, "1");
      const prepared = await prepare(host, specimenOrder({ firmware: "r5-a" }), copyArchived);
      if (prepared.kind === "ready") applyActions(host, prepared);
      expect(recoverSh(own.path).stderr).toContain("is back");
      own.remove();
    }
  });

  test.each([
    undefined,
    "",
    "DISTRIB_ID='x'\n",
    "DISTRIB_REVISION=''\n",
    "DISTRIB_REVISION='r5-a' \n",
    "DISTRIB_REVISION='r5-a'\r\n",
    "DISTRIB_REVISION='r5-a' # mine\n",
    "DISTRIB_REVISION=r5;a\n",
    "DISTRIB_REVISION='20240101'\n",
    "DISTRIB_REVISION='true'\n",
    "DISTRIB_REVISION='r\u00e4'\n",
    "DISTRIB_REVISION='r1'\nDISTRIB_REVISION='r2'",
  ])("takes back what Node has noted the firmware of by the release file %j", async (release) => {
    plantOld(root.disk);
    root.disk.unlink("/etc/openwrt_release");
    if (release !== undefined) root.disk.writeNew("/etc/openwrt_release", bytes(release), { mode: 0o644 });
    const before = snapshot(root.disk);
    await onTrial({ firmware: runningFirmware(root.disk) });
    expect(recoverSh(root.path).stderr).toContain("is back");
    expect(snapshot(root.disk)).toBe(before);
  });

  test.each(SPOILT_JOURNALS)("touches nothing, and says so, if the journal is %s", async (_, spoil) => {
    plantOld(root.disk);
    await onTrial();
    replace(TX.journal, spoil(root.disk.read(TX.journal) ?? ""));
    const before = snapshot(root.disk, true);
    const { status, stderr } = recoverSh(root.path);
    expect(status).toBe(1);
    expect(stderr).toContain("nothing was touched");
    expect(snapshot(root.disk, true)).toBe(before);
  });

  test.each(SPOILT_LISTS)("touches nothing, and says so, if the undo list is %s", async (_, spoil) => {
    plantOld(root.disk);
    await onTrial();
    replace(`${TX.undo}/list`, spoil(root.disk.read(`${TX.undo}/list`) ?? ""));
    const before = snapshot(root.disk, true);
    const { status, stderr } = recoverSh(root.path);
    expect(status).toBe(1);
    expect(stderr).toContain("nothing was touched");
    expect(snapshot(root.disk, true)).toBe(before);
  });

  test("what others did meanwhile does not lead it astray: folders, links to folders, full folders", async () => {
    plantOld(root.disk);
    await onTrial();
    for (const name of ["-rf", " lead and trail "]) root.disk.unlink(`/etc/odd/${name}`);
    root.disk.symlink("/etc", "/etc/odd/-rf");
    root.disk.symlink("../..", "/etc/odd/ lead and trail ");
    root.disk.writeNew("/usr/share/deep/theirs", bytes("x"), { mode: 0o644 });
    expect(recoverSh(root.path).status).toBe(0);
    expect(root.disk.read("/etc/odd/-rf")).toBe("dash old\n");
    expect(root.disk.read("/etc/odd/ lead and trail ")).toBe("blank old\n");
    expect(root.disk.list("/usr/share/deep")).toEqual(["theirs"]);
    expect(root.disk.list("/etc").filter((name) => name.startsWith(".uciprov"))).toEqual([]);
  });

  test("what can't be put back keeps the journal open, and a second try ends it", async () => {
    plantOld(root.disk);
    await onTrial({ actions: [write("/etc/same", "new\n"), write("/etc/empty", "new\n")] });
    root.disk.unlink("/etc/same");
    root.disk.makeDirectory("/etc/same", 0o755);
    const first = recoverSh(root.path);
    expect(first.status).toBe(1);
    expect(first.stderr).toContain("/etc/same could not be put back");
    expect(root.disk.stat("/etc/empty")?.size).toBe(0);
    expect(readJournal(root.disk)).toMatchObject({ state: "rolling-back", reason: "cut while trial" });
    root.disk.removeDirectory("/etc/same");
    expect(recoverSh(root.path).status).toBe(0);
    expect(snapshot(root.disk)).toBe(both.old);
  });

  test("an original, or the list itself, that is gone half way keeps the journal open", async () => {
    for (const gone of ["original", "list"] as const) {
      const own = scratchRoot();
      plantOld(own.disk);
      const host = life(own.disk, "1");
      const prepared = await prepare(host, specimenOrder(), copyArchived);
      if (prepared.kind === "ready") applyActions(host, prepared);
      const list = own.disk.read(`${TX.undo}/list`) ?? "";
      const name = gone === "list" ? "list" : (/^restore ([0-9]+) /m.exec(list)?.[1] ?? "");
      // The journal's first step comes after the list was checked, and before it is obeyed.
      const code =
        'mv() { command mv "$@"; [ ! -e "$UNDO/$gone" ] || command mv "$UNDO/$gone" "$ROOT/aside"; }; gone=$1 script=$2; shift 2; . "$script"';
      const { status, stderr } = spawnSync("busybox", ["ash", "-c", code, "recover.sh", name, RECOVER_SH], {
        env: { PATH: process.env["PATH"], UCIPROV_ROOT: own.path },
        encoding: "utf8",
        timeout: 60_000,
      });
      expect(stderr, gone).toContain("could not be taken back wholly");
      expect(status, gone).toBe(1);
      expect(readJournal(own.disk)?.state, gone).toBe("rolling-back");
      own.disk.rename("/aside", `${TX.undo}/${name}`);
      expect(recoverSh(own.path).status, gone).toBe(0);
      expect(snapshot(own.disk), gone).toBe(both.old);
      own.remove();
    }
  });

  test.each(["", "watch", "watch x", "watch 1;reboot", "watch 1234567", "other"])(
    "refuses odd arguments: %j",
    (args) => {
      const asked = recoverSh(root.path, 0, args === "" ? ["", "x"] : args.split(" "));
      expect(asked.status).toBe(args === "" ? 0 : 1);
    },
  );

  test.each(Object.keys(LIVES) as (keyof typeof LIVES)[])(
    "after a cut at every fifth step of %s (the torture does all): old or new",
    { timeout: 120_000 },
    async (name) => {
      for (let at = 1; ; at += 5) {
        const disk = oldDevice();
        if (!(await liveUntil(disk, LIVES[name], { at, tear: "half" }, "1"))) break;
        const promised = promisedBy(disk, both);
        const state = readJournal(disk)?.state;
        const own = scratchRoot();
        try {
          copyTree(disk, own.disk);
          expect(recoverSh(own.path).status, `at ${at}`).toBe(0);
          // One that was let pass its reboot is taken back by the boot after it.
          if (readJournal(own.disk)?.state === "trial") expect(recoverSh(own.path).status, `at ${at}`).toBe(0);
          if (state !== undefined && state !== "confirmed") expect(snapshot(own.disk), `at ${at}`).toBe(both.old);
          await recovering(life(own.disk, "2"));
          expect(await judge(own.disk, both, promised, "3"), `at ${at}`).toBe(promised);
        } finally {
          own.remove();
        }
      }
    },
  );

  test("cut at every third step of its own, and ended by itself and by Node: the old tree", {
    timeout: 240_000,
  }, async () => {
    const ends = new ShellEnds(both);
    let points = 0;
    for (const start of await cutsWhileApplying()) {
      const steps = await ends.stepsOf(start);
      for (let at = 0; at < steps.length; at += 3) {
        const held = steps[at];
        if (held !== undefined) expect(await ends.endOf(held, "old"), `step ${at + 1}`).toBe("old");
        points += 1;
      }
    }
    expect(points).toBeGreaterThan(60);
  });

  test("what is seen at a step is what a cut there leaves", { timeout: 120_000 }, async () => {
    const [start] = await cutsWhileApplying();
    if (start === undefined) throw new Error("no cut while applying");
    const steps = await new ShellEnds(both).stepsOf(start);
    for (let at = 1; at < steps.length; at += 11) {
      const own = scratchRoot();
      try {
        plant(start, own.path);
        expect(recoverSh(own.path, at).wasCut, `step ${at}`).toBe(true);
        expect(holds(own.path), `step ${at}`).toEqual(steps[at - 1]);
      } finally {
        own.remove();
      }
    }
  });
});

/** A device half way in, and one with all in and the journal not yet on trial. */
async function cutsWhileApplying(): Promise<Held[]> {
  const found: Held[] = [];
  let last: Held | undefined;
  for (let at = 1; ; at += 1) {
    const disk = oldDevice();
    await liveUntil(disk, LIVES["apply and confirm"], { at, tear: "half" }, "1");
    const state = readJournal(disk)?.state;
    if (state === "trial") break;
    if (state !== "applying") continue;
    last = onDisk(disk);
    if (found.length === 0 && snapshot(disk).includes("/usr/share")) found.push(last);
  }
  return last === undefined ? found : [...found, last];
}
