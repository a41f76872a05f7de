/** Services: from what modules say of them to what is done, on a scratch root with a procd of plain objects. */
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CommandResult, type Commands, file, service } from "../../src/api.ts";
import type { PathChange, ServiceChange } from "../../src/changes.ts";
import type { Device, RunContext } from "../../src/context.ts";
import { ProvisionError } from "../../src/errors.ts";
import { openDisk } from "../../src/host/disk.ts";
import { parseServiceRecord, type ServiceRecord } from "../../src/service-record.ts";
import { holdBack } from "../../src/stages/bisect/hold.ts";
import { actOnServices, undoServices } from "../../src/stages/service-acts.ts";
import { actForGeneration, servicesOfGeneration } from "../../src/stages/services-of-generation.ts";
import { planServices } from "../../src/stages/validate/services.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const PROCD = "#!/bin/sh /etc/rc.common\nSTART=60\nSTOP=10\nUSE_PROCD=1\n";
const origin = { module: "pbx", uri: "https://cfg.example/pbx", detail: "line 3" };
const EXTENSIONS = "/etc/asterisk/extensions.conf";

type State = "running" | "idle" | "crashed" | "finished";

interface Bench {
  /** Files of the device; `->TARGET` is a link. */
  readonly device?: Readonly<Record<string, string>>;
  readonly running?: Readonly<Record<string, State>>;
  /** What an init script's call does; the default does what it should and ends with 0. */
  readonly onAct?: (name: string, act: string, states: Map<string, State>) => Partial<CommandResult>;
  readonly record?: ServiceRecord;
  readonly settings?: Device["settings"];
}

function bench(of: Bench = {}) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-services-"));
  for (const [path, content] of Object.entries({ "/etc/init.d/asterisk": PROCD, ...of.device })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (content.startsWith("->")) symlinkSync(content.slice(2), join(root, path));
    else writeFileSync(join(root, path), content, { mode: 0o755 });
  }
  const states = new Map<string, State>(Object.entries(of.running ?? { asterisk: "running" }));
  const done: string[] = [];
  const commands: Commands = {
    has: () => true,
    async run(program, args) {
      const result = { status: 0, signal: null, stdout: "", stderr: "", timedOut: false };
      if (program === "ubus") return { ...result, stdout: listed(String(args[3]), states) };
      const name = program.replace("/etc/init.d/", "");
      done.push(`${name} ${args.join(" ")}`);
      if (of.onAct) return { ...result, ...of.onAct(name, String(args[0]), states) };
      states.set(name, args[0] === "stop" ? "idle" : "running");
      return result;
    },
  };
  const said: string[] = [];
  const ctx: RunContext = aRunContext({
    disk: openDisk(root),
    commands,
    log: (level, text) => said.push(`${level} ${text}`),
  });
  const plain = aDevice(of.settings === undefined ? {} : { settings: of.settings });
  const device: Device = {
    ...plain,
    state: { ...plain.state, owned: { ...plain.state.owned, services: of.record ?? {} } },
  };
  return { ctx, device, states, done, said };
}

/** As procd answers `service list` for one name. */
function listed(question: string, states: ReadonlyMap<string, State>): string {
  const { name } = JSON.parse(question) as { name: string };
  const state = states.get(name);
  if (state === undefined) return "{}\n";
  const instance = {
    running: state === "running",
    ...(state === "running" ? { pid: 1 } : { exit_code: state === "crashed" ? 1 : 0 }),
  };
  return JSON.stringify({ [name]: state === "idle" ? {} : { instances: { instance1: instance } } });
}

async function plan(
  of: Bench,
  changes: readonly ServiceChange[],
  changed: readonly string[] = [],
  paths: readonly PathChange[] = [],
) {
  const made = bench(of);
  const planned = await planServices(made.ctx, made.device, changes, paths, holdBack([]));
  const { acts, record } = await planned.settle(new Set(changed));
  return { ...made, ...planned, acts, record, told: acts.map(({ name, act }) => `${name} ${act}`) };
}

const reloads = service(
  "asterisk",
  { onChange: { paths: [EXTENSIONS, "/etc/config/asterisk"], act: "reload" } },
  origin,
);
const enabled = service("asterisk", { boot: "enabled", run: "started" }, origin);
const disabled = service("asterisk", { boot: "disabled", run: "stopped" }, origin);

describe("only when one of its paths changes", () => {
  test("then, with the reason, and the same again after a way back", async () => {
    const { acts } = await plan({}, [reloads], ["/etc/motd", EXTENSIONS]);
    expect(acts).toMatchObject([
      { name: "asterisk", act: "reload", undo: "reload", because: `${EXTENSIONS} changes`, origin },
    ]);
  });

  test("else nothing is done", async () => {
    expect((await plan({}, [reloads], ["/etc/asterisk/sip.conf", `${EXTENSIONS}.d/x`])).acts).toEqual([]);
  });

  test("a folder stands for all that is below it, and for nothing beside it", async () => {
    const whole = service("asterisk", { onChange: { paths: ["/etc/asterisk/"], act: "restart" } }, origin);
    expect((await plan({}, [whole], ["/etc/asterisk/a/b"])).told).toEqual(["asterisk restart"]);
    expect((await plan({}, [whole], ["/etc/asterisk2/a"])).acts).toEqual([]);
  });

  test("a service that neither runs nor starts at boot is left alone; one that should run is started by it", async () => {
    const stopped = { running: { asterisk: "idle" } } as const;
    expect((await plan(stopped, [reloads], [EXTENSIONS])).acts).toEqual([]);
    const device = { "/etc/rc.d/S60asterisk": "->../init.d/asterisk" };
    expect((await plan({ ...stopped, device }, [reloads], [EXTENSIONS])).acts).toMatchObject([
      { act: "reload", undo: "stop" },
    ]);
  });

  test("what procd does by itself when the package changes is told and not done twice; a restart is done", async () => {
    const device = {
      "/etc/init.d/asterisk": `${PROCD}service_triggers() {\n\tprocd_add_reload_trigger "asterisk" 'voice'\n}\n`,
    };
    const both = await plan({ device }, [reloads], ["/etc/config/asterisk", EXTENSIONS]);
    expect(both.acts).toMatchObject([{ act: "reload", byProcd: "asterisk" }]);
    expect(await actOnServices(both.ctx, both.device.settings, both.acts)).toBe(false);
    expect(both.done).toEqual([]);
    expect((await plan({ device }, [reloads], [EXTENSIONS])).acts[0]).not.toHaveProperty("byProcd");
    const restart = service("asterisk", { onChange: { paths: ["/etc/config/asterisk"], act: "restart" } }, origin);
    expect((await plan({ device }, [restart], ["/etc/config/asterisk"])).acts[0]).not.toHaveProperty("byProcd");
  });

  test("two modules: all their paths, the stronger act, once", async () => {
    const other = service("asterisk", { onChange: { paths: ["/etc/phones"], act: "restart" } }, { module: "phones" });
    expect((await plan({}, [reloads, other], [EXTENSIONS, "/etc/phones"])).told).toEqual(["asterisk restart"]);
  });

  test("each path keeps its own act: a restart only for those that want one", async () => {
    const transports = "/etc/asterisk/transports.conf";
    const restart = service("asterisk", { onChange: { paths: [transports], act: "restart" } }, origin);
    for (const [changed, told] of [
      [[EXTENSIONS], ["asterisk reload"]],
      [[transports], ["asterisk restart"]],
      [[EXTENSIONS, transports], ["asterisk restart"]],
      [["/etc/other"], []],
    ] as const) {
      expect((await plan({}, [reloads, restart], changed)).told).toEqual(told);
    }
    const first = await plan({}, [reloads, restart], [EXTENSIONS]);
    expect((await plan({ record: first.record }, [], [transports])).told).toEqual(["asterisk restart"]);
    expect(parseServiceRecord(JSON.parse(JSON.stringify(first.record)))).toEqual(first.record);
  });

  test("a tree that no longer names it: the files go back, so it is reloaded once more, and forgotten", async () => {
    const first = await plan({}, [reloads], [EXTENSIONS]);
    const gone = await plan({ record: first.record }, [], [EXTENSIONS]);
    expect(gone.told).toEqual(["asterisk reload"]);
    expect(gone.record).toEqual({});
  });

  test("one of two modules falls silent: its file goes, so what it asked for is done once more, and forgotten", async () => {
    const guard = service("asterisk", { onChange: { paths: ["/etc/guard"], act: "restart" } }, { module: "guard" });
    const both = await plan({}, [reloads, guard], [EXTENSIONS, "/etc/guard"]);
    const one = await plan({ record: both.record }, [reloads], ["/etc/guard"]);
    expect(one.told).toEqual(["asterisk restart"]);
    expect((await plan({ record: one.record }, [reloads], ["/etc/guard"])).told).toEqual([]);
  });
});

describe("start and stop", () => {
  test("links as rc.common makes them, and a start", async () => {
    const { links, told, record } = await plan({ running: { asterisk: "idle" } }, [enabled]);
    expect(links).toMatchObject([
      { kind: "symlink", path: "/etc/rc.d/K10asterisk", target: "../init.d/asterisk", origin },
      { kind: "symlink", path: "/etc/rc.d/S60asterisk", target: "../init.d/asterisk", origin },
    ]);
    expect(told).toEqual(["asterisk start"]);
    expect(record).toEqual({ asterisk: { run: { set: "started", before: "stopped" } } });
  });

  test("disabled: no link, none of an older number, a stop", async () => {
    const device = { "/etc/rc.d/S50asterisk": "->../init.d/asterisk", "/etc/rc.d/S50asterisk2": "->x" };
    const { links, told } = await plan({ device }, [disabled]);
    expect(links.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      "remove /etc/rc.d/K10asterisk",
      "remove /etc/rc.d/S50asterisk",
      "remove /etc/rc.d/S60asterisk",
    ]);
    expect(told).toEqual(["asterisk stop"]);
  });

  test.each([
    ["START=95", "S95"],
    ["START='95'", "S95"],
    ['START="95" # late', "S95"],
    ["START=1\nSTART=95", "S95"],
    ["START=95;STOP=1", "S95"],
  ])("%j is a number", async (text, link) => {
    const device = { "/etc/init.d/x": `#!/bin/sh /etc/rc.common\n${text}\n` };
    const { links } = await plan({ device }, [service("x", { boot: "enabled" }, origin)]);
    expect(links.map(({ path }) => path)).toContain(`/etc/rc.d/${link}x`);
  });

  test("the second run acts on nothing, even if somebody has stopped it meanwhile", async () => {
    const first = await plan({ running: { asterisk: "idle" } }, [enabled]);
    for (const running of ["running", "idle", "crashed"] as const) {
      const second = await plan({ record: first.record, running: { asterisk: running } }, [enabled]);
      expect(second.acts).toEqual([]);
      expect(second.record).toEqual(first.record);
    }
  });

  test("when the tree falls silent it is again as it was", async () => {
    const first = await plan({ running: { asterisk: "running" } }, [disabled]);
    const gone = await plan({ record: first.record, running: { asterisk: "idle" } }, []);
    expect(gone.told).toEqual(["asterisk start"]);
    expect(gone.record).toEqual({});
    const asBefore = await plan({ record: first.record, running: { asterisk: "running" } }, []);
    expect(asBefore.acts).toEqual([]);
  });

  test("a service to be stopped is not reloaded, and one to be started only started", async () => {
    expect((await plan({}, [reloads, disabled], [EXTENSIONS])).told).toEqual(["asterisk stop"]);
    const idle = { running: { asterisk: "idle" } } as const;
    expect((await plan(idle, [reloads, enabled], [EXTENSIONS])).told).toEqual(["asterisk start"]);
  });

  test("an init script that comes with this plan counts, one that goes does not", async () => {
    const come = file("/etc/init.d/new", PROCD.replace("60", "77"), { mode: 0o755, origin });
    const change = service("new", { boot: "enabled" }, origin);
    expect((await plan({}, [change], [], [come])).links.map(({ path }) => path)).toContain("/etc/rc.d/S77new");
    const go = { kind: "remove", path: "/etc/init.d/asterisk", origin } as const;
    expect((await plan({}, [enabled], [], [go])).findings).toMatchObject([{ severity: "warning" }]);
  });
});

describe("refusals", () => {
  test.each(["uciprov", "uciprov-recover", "boot", "done"])("%s is never acted on, for no reason", async (name) => {
    for (const what of [
      { boot: "enabled" },
      { run: "stopped" },
      { onChange: { paths: ["/x"], act: "reload" } },
    ] as const) {
      const { findings, acts, links } = await plan(
        { device: { [`/etc/init.d/${name}`]: PROCD } },
        [service(name, what, origin)],
        ["/x"],
      );
      expect(findings).toMatchObject([
        { severity: "error", code: "PATH_FORBIDDEN", place: { file: origin.uri, line: 3 } },
      ]);
      expect([...acts, ...links]).toEqual([]);
    }
  });

  test.each(["../x", "", "a b", "-r", "x;y", "x\n"])("%j is no name", async (name) => {
    expect((await plan({}, [service(name, { run: "started" }, origin)])).findings).toMatchObject([
      { severity: "error", code: "PLAN_INVALID" },
    ]);
  });

  test("the network is not switched off; what may be missed is told", async () => {
    const off = { boot: "disabled", run: "stopped" } as const;
    expect((await plan({}, [service("network", off, origin)])).findings).toMatchObject([{ severity: "error" }]);
    expect((await plan({}, [service("dropbear", off, origin)])).findings).toMatchObject([{ severity: "warning" }]);
  });

  test("contradictions between modules, and too many services", async () => {
    const no = service("asterisk", { run: "stopped" }, { module: "services" });
    expect((await plan({}, [enabled, no])).findings).toMatchObject([{ severity: "error", code: "PLAN_INVALID" }]);
    const many = Array.from({ length: 65 }, (_, at) => service(`s${at}`, { run: "started" }, origin));
    expect((await plan({}, many)).findings).toMatchObject([{ severity: "error", code: "TOO_LARGE" }]);
  });

  test("one that is not there: a word if it was to be switched on, nothing else ever", async () => {
    const none = service(
      "none",
      { boot: "enabled", run: "started", onChange: { paths: ["/x"], act: "reload" } },
      origin,
    );
    const { findings, acts, links, record } = await plan({}, [none], ["/x"]);
    expect(findings).toMatchObject([{ severity: "warning", place: { line: 3 } }]);
    expect({ acts, links, record }).toEqual({ acts: [], links: [], record: {} });
    expect((await plan({}, [service("none", { boot: "disabled", run: "stopped" }, origin)])).findings).toEqual([]);
  });
});

describe("acting, whatever the exit statuses say", () => {
  async function act(of: Bench, change: ServiceChange): Promise<string> {
    const { ctx, device, acts, said } = await plan(of, [change], [EXTENSIONS]);
    try {
      await actOnServices(ctx, device.settings, acts);
      return said.some((line) => line.startsWith("warning")) ? "warned" : "done";
    } catch (thrown) {
      return thrown instanceof ProvisionError ? thrown.code : String(thrown);
    }
  }
  const becomes =
    (state: State, result: Partial<CommandResult> = {}) =>
    (name: string, _act: string, states: Map<string, State>) => {
      states.set(name, state);
      return result;
    };

  test.each<[string, ServiceChange, State, NonNullable<Bench["onAct"]>, string]>([
    ["a reload that works", reloads, "running", becomes("running"), "done"],
    ["a reload that fails, and the service runs on", reloads, "running", becomes("running", { status: 1 }), "warned"],
    ["a reload that says 0, and the service is dead", reloads, "running", becomes("crashed"), "SERVICE_FAILED"],
    ["a reload that says 0, and the service is gone", reloads, "running", becomes("idle"), "SERVICE_FAILED"],
    ["a start that works", enabled, "idle", becomes("running"), "done"],
    ["a start that says 0, and it ended at once", enabled, "idle", becomes("crashed"), "SERVICE_FAILED"],
    ["a start that says 1, and nothing runs", enabled, "idle", becomes("idle", { status: 1 }), "SERVICE_FAILED"],
    ["a start of one that its own configuration switches off", enabled, "idle", becomes("idle"), "done"],
    ["a start of what works once and ends", enabled, "idle", becomes("finished"), "done"],
    ["a stop that works", disabled, "running", becomes("idle"), "done"],
    ["a stop that says 1 and worked", disabled, "running", becomes("idle", { status: 1 }), "warned"],
    ["a stop that says 0, and it runs on", disabled, "running", becomes("running"), "SERVICE_FAILED"],
    ["one that never ends", reloads, "running", becomes("idle", { status: null, timedOut: true }), "SERVICE_FAILED"],
  ])("%s", async (_, change, before, onAct, outcome) => {
    expect(await act({ running: { asterisk: before }, onAct }, change)).toBe(outcome);
  });

  test("stops come first, then restarts, reloads and starts", async () => {
    const device = Object.fromEntries(["a", "b", "c", "d"].map((name) => [`/etc/init.d/${name}`, PROCD]));
    const running = { a: "idle", b: "running", c: "running", d: "running" } as const;
    const on = (act: "reload" | "restart") => ({ onChange: { paths: ["/x"], act } });
    const made = await plan(
      { device, running },
      [
        service("a", { run: "started" }, origin),
        service("b", on("reload"), origin),
        service("c", on("restart"), origin),
        service("d", { run: "stopped" }, origin),
      ],
      ["/x"],
    );
    expect(await actOnServices(made.ctx, made.device.settings, made.acts)).toBe(true);
    expect(made.done).toEqual(["d stop", "c restart", "b reload", "a start"]);
  });

  test("without procd's word the exit status must do", async () => {
    const device = { "/etc/init.d/asterisk": "#!/bin/sh /etc/rc.common\nSTART=60\n" };
    expect(await act({ device }, reloads)).toBe("done");
    expect(await act({ device, onAct: () => ({ status: 2 }) }, reloads)).toBe("SERVICE_FAILED");
  });

  test("the way back acts as the journal lists, in order, and never fails", async () => {
    const made = bench({ onAct: () => ({ status: 1 }) });
    await undoServices(made.ctx, made.device.settings, ["asterisk:reload", "x:stop", "bad", "../y:stop", "z:rm"]);
    expect(made.done).toEqual(["x stop", "asterisk reload"]);
  });
});

describe("a person goes back to another generation", () => {
  const onChange = { paths: [EXTENSIONS], act: "reload" } as const;
  const started = { run: { set: "started", before: "stopped" } } as const;

  test.each<[string, ServiceRecord, ServiceRecord, string[]]>([
    ["its files changed: reloaded", { asterisk: { onChange } }, { asterisk: { onChange } }, ["asterisk reload"]],
    ["it was in no tree then: as it was before any", { asterisk: started }, {}, ["asterisk stop"]],
    ["it was to be stopped then", { asterisk: started }, { asterisk: { run: { set: "stopped" } } }, ["asterisk stop"]],
    ["nothing of it is another", { asterisk: started }, { asterisk: started }, []],
    ["it is not there any more", { gone: { onChange } }, {}, []],
  ])("%s", async (_, now, then, done) => {
    const made = bench();
    const plans = await servicesOfGeneration(made.ctx, made.ctx.disk, now, then, new Set([EXTENSIONS]));
    await actForGeneration(made.ctx, made.device.settings, plans);
    expect(made.done).toEqual(done);
  });

  test("what fails is told, and the person's way back stands", async () => {
    const made = bench({
      onAct: (name, _act, states) => {
        states.set(name, "crashed");
        return { status: 1 };
      },
    });
    const now = { asterisk: { onChange } };
    const plans = await servicesOfGeneration(made.ctx, made.ctx.disk, now, {}, new Set([EXTENSIONS]));
    await actForGeneration(made.ctx, made.device.settings, plans);
    expect(made.said.join()).toContain("error asterisk: reload ended with 1");
  });
});
