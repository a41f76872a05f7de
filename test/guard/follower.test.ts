/** The whole guard but the device: lines in, bans of a kernel in memory out. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { parseAddress } from "../../src/guard/address.ts";
import { follow, type World } from "../../src/guard/follower.ts";
import { parseGuard } from "../../src/guard/guard-file.ts";
import type { Incident } from "../../src/guard/incident.ts";
import { asciiJson } from "../../src/guard/incident.ts";
import type { Tail } from "../../src/guard/inputs.ts";
import type { Saved } from "../../src/guard/saved.ts";
import type { Status } from "../../src/guard/status.ts";

const PATH = "/var/log/eve.json";
const alert = (source: string, more = {}) =>
  `${JSON.stringify({ event_type: "alert", src_ip: source, direction: "to_server", alert: { gid: 1, signature_id: 7, signature: "flood" }, ...more })}\n`;

interface Element {
  readonly timeout: number | undefined;
  readonly until: number;
}

/** A device: its clock moves when somebody sleeps, its kernel keeps bans, and a file grows. */
function aDevice() {
  let passed = 0;
  const sinceBoot = () => 100 + passed / 1000;
  const device = {
    file: "",
    saved: undefined as Saved | undefined,
    incidents: [] as Incident[],
    statuses: [] as Status[],
    kernel: new Map<string, Element>(),
    hasTable: true,
    own: [] as string[],
    nftRuns: 0,
    /** Milliseconds of each sleep. */
    sleeps: [] as number[],
    letters: [] as string[][],
    mails: [] as number[],
    sinceBoot,
    pass: (seconds: number) => {
      passed += seconds * 1000;
    },
    banned: () =>
      [...device.kernel]
        .filter(([, { until }]) => until > sinceBoot())
        .map(([text]) => text)
        .sort(),
    /** Runs a guard; before each of its looks the next step happens, and after the last one it ends. */
    async guard(
      config: Record<string, unknown>,
      steps: readonly (() => void)[],
      more: Partial<World> = {},
    ): Promise<void> {
      const stop = new AbortController();
      const todo = [...steps, () => undefined, () => undefined];
      const clock: World["clock"] = {
        now: () => Date.UTC(2026, 10, 22) + passed,
        elapsed: () => passed,
        sinceBoot,
        async sleep(ms, signal) {
          await setImmediate();
          signal.throwIfAborted();
          passed += ms;
          device.sleeps.push(ms);
          if (ms < 400) return;
          const step = todo.shift();
          if (step === undefined) stop.abort();
          else step();
        },
      };
      const told = parseGuard(
        JSON.stringify({ version: 1, sources: [{ kind: "eve", from: "file", path: PATH }], ...config }),
      );
      await follow(told, {
        clock,
        log: () => undefined,
        signal: stop.signal,
        nft: async (args, stdin) => nft(device, args, stdin),
        newId: () => `id-${device.incidents.length}-${passed}`,
        openTail: (_, mark) => tailOf(device, mark?.offset),
        followSyslog: async () => undefined,
        surroundings: () => ({ own: device.own.flatMap((one) => parseAddress(one) ?? []), lifeline: [] }),
        parentOf: () => undefined,
        readSaved: () => device.saved,
        save: (saved) => {
          device.saved = { boot: "b", ...saved };
        },
        writeStatus: (status) => device.statuses.push(status),
        appendIncident: (one) => device.incidents.push(one),
        readIncidents: () => device.incidents.map(asciiJson).join("\n"),
        ...more,
      });
    },
    tells: () =>
      device.incidents.map(({ source, action, seconds }) => `${source} ${action}${seconds ? ` ${seconds}` : ""}`),
  };
  return device;
}
type Device = ReturnType<typeof aDevice>;

function tailOf(device: Device, from: number | undefined): Tail {
  let offset = from ?? device.file.length;
  return {
    read() {
      if (device.file.length <= offset) return undefined;
      const bytes = Buffer.from(device.file.slice(offset));
      offset = device.file.length;
      return { bytes, isFresh: false };
    },
    get mark() {
      return { dev: 1, inode: 1, offset };
    },
    close: () => undefined,
  };
}

/** As much of nft as the guard needs: an element that is there keeps its timeout when it is added again. */
function nft(device: Device, args: readonly string[], stdin?: string) {
  device.nftRuns++;
  const answer = (status: number, stdout = "", stderr = "") => ({
    status,
    signal: null,
    stdout,
    stderr,
    timedOut: false,
  });
  if (!device.hasTable) return answer(1, "", "Error: No such file or directory");
  const now = device.sinceBoot();
  for (const [text, { until }] of device.kernel) if (until <= now) device.kernel.delete(text);
  if (stdin === undefined) {
    const elem = [...device.kernel]
      .filter(([text]) => text.includes(":") === args.includes("ban6"))
      .map(([val, { timeout, until }]) =>
        timeout === undefined ? val : { elem: { val, timeout, expires: Math.floor(until - now) } },
      );
    return answer(0, JSON.stringify({ nftables: [{ metainfo: {} }, { set: { elem } }] }));
  }
  for (const line of stdin.trim().split("\n")) {
    const [, verb, text = "", timeout] =
      /^(add|delete) element inet beesip ban[46] \{ (\S+)(?: timeout ([0-9]+)s)? \}$/.exec(line) ?? [];
    if (verb === undefined) return answer(1, "", `Error: syntax error: ${line}`);
    if (verb === "delete") device.kernel.delete(text);
    else if (!device.kernel.has(text)) {
      const seconds = timeout === undefined ? undefined : Number(timeout);
      device.kernel.set(text, { timeout: seconds, until: now + (seconds ?? Number.POSITIVE_INFINITY) });
    }
  }
  return answer(0);
}

test("an alert is a ban, an incident and a status; a second one within the ban is neither", async () => {
  const device = aDevice();
  device.file = alert("203.0.113.1");
  await device.guard({}, [
    () => (device.file += alert("198.51.100.66") + alert("198.51.100.66") + alert("2001:db8:66::10")),
    () => (device.file += alert("198.51.100.66")),
    () => device.pass(5),
  ]);
  expect(device.banned()).toEqual(["198.51.100.66", "2001:db8:66::10"]);
  expect(device.tells()).toEqual(["198.51.100.66 banned 120", "2001:db8:66::10 banned 120"]);
  expect(device.statuses.at(-1)).toMatchObject({
    version: 1,
    table: "ok",
    bans: { active: 2, total: 2, waiting: 0 },
    incidents: { total: 2, byReason: { "eve:1:7": 2 } },
    sources: [{ kind: "eve", path: PATH, state: "following", lines: 4, events: 4 }],
    last: { source: "2001:db8:66::10", note: "flood" },
  });
});

test("bans grow with each attack after the last ban", async () => {
  const device = aDevice();
  const attack = () => (device.file += alert("198.51.100.66"));
  await device.guard({ ban: { seconds: 10, factor: 3, max: 60 } }, [
    attack,
    () => device.pass(11),
    attack,
    () => device.pass(31),
    attack,
    () => device.pass(61),
    attack,
  ]);
  expect(device.incidents.map(({ seconds, times }) => [seconds, times])).toEqual([
    [10, 1],
    [30, 2],
    [60, 3],
    [60, 4],
  ]);
});

test("nobody who is allowed, own or private is banned; each is told of once in a while", async () => {
  const device = aDevice();
  device.own = ["198.51.100.50"];
  const spared = ["192.0.2.9", "::ffff:192.0.2.10", "203.0.113.4", "198.51.100.50", "192.168.1.7", "127.0.0.1"];
  const all = () => (device.file += spared.map((one) => alert(one)).join(""));
  await device.guard({ allow: ["192.0.2.0/24"], own: ["203.0.113.4"] }, [all, all, all]);
  expect(device.banned()).toEqual([]);
  expect(device.incidents.map(({ source, action, why }) => [source, action, why])).toEqual([
    ["192.0.2.9", "spared", "allow"],
    ["192.0.2.10", "spared", "allow"],
    ["203.0.113.4", "spared", "own"],
    ["198.51.100.50", "spared", "own"],
    ["192.168.1.7", "spared", "private"],
  ]);
});

test("a storm bans no more than the cap in a minute", async () => {
  const device = aDevice();
  const storm = (net: number) => () =>
    (device.file += Array.from({ length: 200 }, (_, at) => alert(`198.51.${net}.${at}`)).join(""));
  await device.guard({ ban: { perMinute: 7 } }, [storm(1), storm(2), () => device.pass(61), storm(3)]);
  expect(device.incidents).toHaveLength(14);
  expect(device.statuses.at(-1)).toMatchObject({ capped: 600 - 14 });
});

test("where nobody is banned all is told, and nft is never run", async () => {
  const device = aDevice();
  await device.guard({ apply: false }, [() => (device.file += alert("198.51.100.66"))]);
  expect(device.tells()).toEqual(["198.51.100.66 told"]);
  expect({ runs: device.nftRuns, table: device.statuses.at(-1)?.table }).toEqual({ runs: 0, table: "off" });
});

test("without its table the guard goes on, and bans when the table is there", async () => {
  const device = aDevice();
  device.hasTable = false;
  await device.guard({}, [
    () => (device.file += alert("198.51.100.66")),
    () => device.pass(5),
    () => (device.hasTable = true),
    () => device.pass(30),
  ]);
  expect(device.tells()).toEqual(["198.51.100.66 waiting 120"]);
  expect(device.banned()).toEqual(["198.51.100.66"]);
  expect(device.statuses.some(({ table }) => table === "missing")).toBe(true);
  expect(device.statuses.at(-1)).toMatchObject({ table: "ok", bans: { waiting: 0 } });
});

describe("started again", () => {
  const attack = (device: Device) => () => (device.file += alert("198.51.100.66"));

  test("it goes on where it was: nothing is told twice, nothing between is lost", async () => {
    const device = aDevice();
    await device.guard({}, [attack(device)]);
    device.file += alert("198.51.100.66") + alert("198.51.100.67");
    await device.guard({}, []);
    expect(device.tells()).toEqual(["198.51.100.66 banned 120", "198.51.100.67 banned 120"]);
    expect(device.banned()).toEqual(["198.51.100.66", "198.51.100.67"]);
  });

  test("killed, so that it knows nothing, it learns from the kernel who is banned and for the how manieth time", async () => {
    const device = aDevice();
    await device.guard({ ban: { seconds: 10 } }, [attack(device), () => device.pass(11), attack(device)]);
    device.saved = undefined;
    const before = device.incidents.length;
    await device.guard({ ban: { seconds: 10 } }, [attack(device), attack(device)]);
    expect(device.incidents.length).toBe(before);
    await device.guard({ ban: { seconds: 10 } }, [() => device.pass(41), attack(device)]);
    expect(device.incidents.at(-1)).toMatchObject({ seconds: 160 });
  });
});

test("a ban that somebody took away is made again only when that address attacks again", async () => {
  const device = aDevice();
  const attack = () => (device.file += alert("198.51.100.66"));
  const quiet: string[][] = [];
  await device.guard({}, [
    attack,
    () => device.kernel.clear(),
    () => device.pass(70),
    () => quiet.push(device.banned()),
    attack,
    attack,
  ]);
  expect(quiet).toEqual([[]]);
  expect(device.tells()).toEqual(["198.51.100.66 banned 120", "198.51.100.66 banned 480"]);
});

test("a person's ban is never shortened", async () => {
  const device = aDevice();
  device.kernel.set("198.51.100.66", { timeout: undefined, until: Number.POSITIVE_INFINITY });
  await device.guard({}, [() => (device.file += alert("198.51.100.66"))]);
  expect(device.kernel.get("198.51.100.66")?.timeout).toBeUndefined();
});

test("an alert whose traffic an IDS still sees before it is dropped asks the kernel rarely", async () => {
  const device = aDevice();
  const attack = () => (device.file += alert("198.51.100.66"));
  await device.guard({ ban: { seconds: 600 } }, [
    attack,
    () => device.pass(20),
    ...Array<() => void>(100).fill(attack),
  ]);
  expect(device.incidents).toHaveLength(1);
  expect(device.nftRuns).toBeLessThan(40);
});

test("what was not delivered before a stop is delivered after it, once", async () => {
  const device = aDevice();
  const post: World["post"] = async ({ incidents }) => {
    device.letters.push((incidents as Incident[]).map(({ source }) => source));
    return { status: device.hasTable ? 204 : 503, retryAfter: undefined };
  };
  device.hasTable = false;
  await device.guard({ apply: false }, [() => (device.file += alert("198.51.100.66"))], { post });
  device.hasTable = true;
  await device.guard({ apply: false }, [() => (device.file += alert("198.51.100.67"))], { post });
  await device.guard({ apply: false }, [], { post });
  expect(device.letters).toEqual([["198.51.100.66"], ["198.51.100.66"], ["198.51.100.67"]]);
});

test("a log that nobody follows is tried again, less and less often", async () => {
  const device = aDevice();
  const config = { sources: [{ kind: "kamailio", from: "syslog" }] };
  await device.guard(
    config,
    Array<() => void>(20).fill(() => undefined),
    {
      followSyslog: async () => Promise.reject(new Error("logread is not on this device")),
    },
  );
  const pauses = device.sleeps.filter((ms) => ms >= 1000);
  expect(pauses.slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});
