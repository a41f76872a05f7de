/** Going back by hand on a device that has services and may need a reboot, and the way back past services that hang. */
import { afterEach, describe, expect, test, vi } from "vitest";
import type { CommandResult } from "../../src/api.ts";
import type { RunContext } from "../../src/context.ts";
import { ProvisionError } from "../../src/errors.ts";
import { recoverTransaction } from "../../src/stages/recover-transaction.ts";
import { takeBackTrial } from "../../src/stages/roll-back.ts";
import { restart, rollBackTo } from "../../src/stages/roll-to.ts";
import { printOwned, readState, STATE } from "../../src/state.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { type Journal, readJournal } from "../../src/transaction/journal.ts";
import type { Action } from "../../src/transaction/order.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";
import { bytes, copyArchived, KEEP, specimenOrder, write } from "../transaction/specimen.ts";

afterEach(() => vi.restoreAllMocks());

const SCRIPT = "#!/bin/sh /etc/rc.common\nSTART=60\nUSE_PROCD=1\n";
const NETWORK = "config interface 'lan'\n\toption ipaddr '192.0.2.1'\n";
const OK: CommandResult = { status: 0, signal: null, stdout: "", stderr: "", timedOut: false };

/** A device with generation 1: a phone exchange that was switched on, and another network. */
async function device(settings = "config uciprov 'main'\n") {
  const calls: string[] = [];
  const journals: (Journal | undefined)[] = [];
  const ctx: RunContext = aRunContext({
    commands: {
      has: () => true,
      async run(name, args) {
        calls.push([name, ...args].join(" "));
        return name === "ubus" && args[2] === "list"
          ? { ...OK, stdout: '{"asterisk":{"instances":{"a":{"running":true}}}}' }
          : OK;
      },
    },
    startWatcher: () => void journals.push(readJournal(ctx.disk)),
  });
  for (const folder of [
    "/etc",
    "/etc/config",
    "/etc/init.d",
    "/etc/rc.d",
    "/lib",
    "/lib/uciprov",
    "/etc/uciprov",
    "/etc/uciprov/state",
  ])
    ctx.disk.makeDirectory(folder, 0o755);
  ctx.disk.writeNew("/etc/config/uciprov", bytes(settings), { mode: 0o600 });
  ctx.disk.writeNew("/etc/config/network", bytes(NETWORK), { mode: 0o600 });
  ctx.disk.writeNew("/etc/init.d/asterisk", bytes(SCRIPT), { mode: 0o755 });
  const owned = printOwned({
    uci: {},
    files: undefined,
    services: { asterisk: { run: { set: "started", before: "stopped" } } },
  });
  await generation(ctx, [
    write("/etc/config/network", NETWORK.replace(".1'", ".2'"), 0o600),
    { ...write(STATE.owned, Buffer.from(owned).toString(), 0o600) },
    { kind: "symlink", path: "/etc/rc.d/S60asterisk", target: "../init.d/asterisk" },
  ]);
  calls.length = 0;
  return { ctx, calls, journals };
}

async function generation(ctx: RunContext, actions: readonly Action[]): Promise<void> {
  const prepared = await prepare(ctx, specimenOrder({ actions, onConfirm: [] }), copyArchived);
  if (prepared.kind === "ready") applyActions(ctx, prepared);
  await confirmTransaction(ctx, "t-1", () => true, KEEP);
}

describe("rollback", () => {
  test("keeps what somebody staged and did not commit out of the older generation, and gives it back", async () => {
    const { ctx, calls } = await device();
    for (const folder of ["/tmp", "/tmp/.uci"]) ctx.disk.makeDirectory(folder, 0o700);
    ctx.disk.writeNew("/tmp/.uci/network", bytes("network.lan.proto='none'\n"), { mode: 0o600 });
    const seen: unknown[] = [];
    const { run } = ctx.commands;
    const watching: RunContext = {
      ...ctx,
      commands: {
        ...ctx.commands,
        run(name, args, how) {
          if (args.includes("event")) seen.push(ctx.disk.stat("/tmp/.uci/network"));
          return run(name, args, how);
        },
      },
    };
    await rollBackTo(watching, 0);
    expect(calls.some((call) => call.includes("config.change"))).toBe(true);
    expect(seen).toEqual([undefined]);
    expect(ctx.disk.read("/tmp/.uci/network")).toBe("network.lan.proto='none'\n");
  });

  test("the watcher knows what to do to services if it has to take the rollback back", async () => {
    const { ctx, calls, journals } = await device();
    const back = await rollBackTo(ctx, 0);
    expect(journals.map((journal) => journal?.services)).toEqual([["asterisk:start"]]);
    expect(journals[0]?.packages).toEqual(["network"]);
    expect(back.reboots).toEqual([]);
    expect(calls.filter((call) => /event|init\.d/.test(call))).toEqual([
      expect.stringContaining('"package":"network"'),
      "/etc/init.d/asterisk stop",
    ]);
    expect(readState(ctx.disk).owned.services).toBeUndefined();
  });

  test("what `list reboot` names has the device restart, once it holds, and no service is touched before", async () => {
    const { ctx, calls } = await device("config uciprov 'main'\n\tlist reboot 'network'\n");
    const back = await rollBackTo(ctx, 0);
    expect(back.reboots).toEqual(["network changes"]);
    expect(readJournal(ctx.disk)).toBeUndefined();
    expect(ctx.disk.read("/etc/config/network")).toBe(NETWORK);
    expect(calls.filter((call) => /event|init\.d|reboot/.test(call))).toEqual([]);
    await restart(ctx, back);
    expect(calls.at(-1)).toBe("reboot");
  });

  test("the setting that asks for a reboot may be what comes back, too", async () => {
    const { ctx } = await device("config uciprov 'main'\n\tlist reboot 'network'\n");
    await generation(ctx, [write("/etc/config/uciprov", "config uciprov 'main'\n", 0o600)]);
    expect((await rollBackTo(ctx, 0)).reboots).toEqual(["network changes"]);
  });

  test("nothing that needs a reboot: none", async () => {
    const { ctx, calls } = await device("config uciprov 'main'\n\tlist reboot 'wireless'\n");
    await restart(ctx, await rollBackTo(ctx, 0));
    expect(calls).not.toContain("reboot");
  });
});

test("services that hang on the way back leave none of the others as they are, and the attempt is counted", async () => {
  let now = 0;
  const running: { due: number; stop: AbortController }[] = [];
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const stop = new AbortController();
    running.push({ due: now + ms, stop });
    return stop.signal;
  });
  const acted: string[] = [];
  const { ctx: plain } = await device();
  const ctx: RunContext = {
    ...plain,
    commands: {
      has: () => true,
      async run(name, _args, how) {
        if (!name.startsWith("/etc/init.d/")) return OK;
        acted.push(name.replace("/etc/init.d/", ""));
        now += how.deadline;
        for (const { due, stop } of running) if (due <= now) stop.abort(new Error("too late"));
        how.signal.throwIfAborted();
        return { ...OK, status: null, signal: "SIGKILL", timedOut: true };
      },
    },
  };
  const services = ["a", "b", "c", "d", "e"].map((name) => `${name}:restart`);
  const order = specimenOrder({ actions: [write("/etc/new", "x")], onConfirm: [], packages: [], services });
  const prepared = await prepare(ctx, order, copyArchived);
  if (prepared.kind === "ready") applyActions(ctx, prepared);
  const failure = new ProvisionError("NOT_CONFIRMED", "nobody answers");
  expect(await takeBackTrial(ctx, aDevice().settings, [], failure)).toBe(failure);
  expect(acted).toEqual(["a", "b", "c", "d", "e"]);
  expect(readJournal(ctx.disk)).toBeUndefined();
  expect(readState(ctx.disk).failed).toMatchObject({ attempts: 1 });
});

test("a run that is stopped, or dies, while services learn of the way back leaves none of them out", async () => {
  const { ctx, calls } = await device();
  const order = specimenOrder({
    id: "t-2",
    actions: [write("/etc/config/network", "config interface 'lan'\n", 0o600)],
    packages: ["network"],
    services: ["asterisk:restart"],
  });
  const prepared = await prepare(ctx, order, copyArchived);
  if (prepared.kind === "ready") applyActions(ctx, prepared);
  const stop = new AbortController();
  const dying: RunContext = {
    ...ctx,
    signal: stop.signal,
    commands: {
      ...ctx.commands,
      async run(name, args, how) {
        stop.abort();
        how.signal.throwIfAborted();
        expect(readJournal(ctx.disk)).toMatchObject({ state: "rolled-back" });
        return await ctx.commands.run(name, args, how);
      },
    },
  };
  await recoverTransaction(dying);
  expect(calls.filter((call) => /event|init\.d/.test(call))).toEqual([
    expect.stringContaining('"package":"network"'),
    "/etc/init.d/asterisk restart",
  ]);
  expect(readJournal(ctx.disk)).toBeUndefined();
  expect(readState(ctx.disk).failed).toMatchObject({ attempts: 1 });
});

describe("a trial that was asked to stop", () => {
  /** Tries a tree once; what goes wrong in it, and whether somebody asked the run to stop. */
  async function tried(ctx: RunContext, failure: ProvisionError, isStopped: boolean): Promise<ProvisionError> {
    const order = specimenOrder({ actions: [write("/etc/new", "x")], onConfirm: [], packages: [], services: [] });
    const prepared = await prepare(ctx, order, copyArchived);
    if (prepared.kind === "ready") applyActions(ctx, prepared);
    const stop = new AbortController();
    if (isStopped) stop.abort(new ProvisionError("STOPPED", "asked to stop by SIGTERM"));
    return await takeBackTrial({ ...ctx, signal: stop.signal }, aDevice().settings, [], failure);
  }
  const STOPPED = new ProvisionError("STOPPED", "asked to stop during confirm");

  test("is none of the tree's attempts, whatever failed by it", async () => {
    const { ctx } = await device();
    const killed = new ProvisionError("NOT_CONFIRMED", "uciprov does not start (SIGTERM)");
    const ended = await tried(ctx, killed, true);
    // Nothing that leaving out a part of the tree would mend.
    expect([ended.code, ended.exit]).toEqual(["APPLY_FAILED", "rolled-back"]);
    expect(ctx.disk.stat("/etc/new")).toBeUndefined();
    expect(readState(ctx.disk).failed).toMatchObject({
      attempts: 0,
      stops: 1,
      reason: expect.stringMatching(/^STOPPED: /),
    });
    await tried(ctx, new ProvisionError("NOT_CONFIRMED", "nobody answers"), false);
    await tried(ctx, STOPPED, true);
    expect(readState(ctx.disk).failed).toMatchObject({ attempts: 1, stops: 2 });
  });

  test("counts again after the tenth: a tree that has the device restart each time is not tried for ever", async () => {
    const { ctx } = await device();
    const attempts: (number | undefined)[] = [];
    for (let time = 1; time <= 12; time++) {
      await tried(ctx, STOPPED, true);
      attempts.push(readState(ctx.disk).failed?.attempts);
    }
    expect(attempts).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  });
});

describe("rollback during a trial that has come through its reboot", () => {
  /** A device in generation 2, on trial after a reboot. */
  async function rebooted() {
    const { ctx, calls } = await device();
    await generation(ctx, [write("/etc/second", "2")]);
    const order = specimenOrder({
      id: "t-3",
      actions: [write("/etc/third", "3"), write("/etc/config/network", "config interface 'lan'\n", 0o600)],
      rebootAllowed: true,
      tree: { uri: "https://cfg.example/", sha256: "cc".repeat(32), name: "a", serial: 7 },
    });
    const before = { ...ctx, processes: { ...ctx.processes, bootId: "the boot before" } };
    const prepared = await prepare(before, order, copyArchived);
    if (prepared.kind === "ready") applyActions(before, prepared);
    expect(readJournal(ctx.disk)).toMatchObject({ state: "trial" });
    calls.length = 0;
    return { ctx, calls };
  }
  const BAD = { digest: "cc".repeat(32), attempts: 3, reason: expect.stringMatching(/^taken back by hand/) };

  test.each([undefined, 2])(
    "takes it back and leaves the generation before, and the device restarts (%s)",
    async (wanted) => {
      const { ctx, calls } = await rebooted();
      const back = await rollBackTo(ctx, wanted);
      expect(back).toMatchObject({
        number: 2,
        paths: ["/etc/third", "/etc/config/network"],
        reboots: [expect.any(String)],
      });
      expect([ctx.disk.read("/etc/second"), ctx.disk.read("/etc/third")]).toEqual(["2", undefined]);
      expect(readJournal(ctx.disk)).toBeUndefined();
      expect(readState(ctx.disk).failed).toMatchObject(BAD);
      expect(readState(ctx.disk).trees.get("a")).toMatchObject({ serial: 7 });
      // What took a reboot to become true takes one to be so no more.
      expect(calls.filter((call) => /event|init\.d|reboot/.test(call))).toEqual([]);
      await restart(ctx, back);
      expect(calls.at(-1)).toBe("reboot");
    },
  );

  test("goes further back if that is asked for, and it is the trial's tree that is not tried again", async () => {
    const { ctx } = await rebooted();
    const back = await rollBackTo(ctx, 1);
    expect(back).toMatchObject({ number: 1, reboots: [expect.any(String)] });
    expect([ctx.disk.read("/etc/second"), ctx.disk.read("/etc/third")]).toEqual([undefined, undefined]);
    expect(readState(ctx.disk).failed).toMatchObject(BAD);
  });

  test("touches nothing if there is no way to the generation that is asked for", async () => {
    const { ctx } = await rebooted();
    await expect(rollBackTo(ctx, 9)).rejects.toMatchObject({ code: "GENERATION_UNKNOWN" });
    expect(readJournal(ctx.disk)).toMatchObject({ state: "trial" });
    expect(ctx.disk.read("/etc/third")).toBe("3");
  });
});
