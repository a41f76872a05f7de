/** The device, as the guard sees it: programs, files in RAM, letters and mail. */
import { randomUUID } from "node:crypto";
import type { CommandResult, Disk } from "../api.ts";
import type { RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";
import { type Address, parseAddress } from "../guard/address.ts";
import type { World } from "../guard/follower.ts";
import type { Guard } from "../guard/guard-file.ts";
import { asciiJson, tellIncident } from "../guard/incident.ts";
import type { Logs } from "../guard/inputs.ts";
import { mailText } from "../guard/mail.ts";
import type { Post } from "../guard/reporter.ts";
import { readSaved, savedText } from "../guard/saved.ts";
import type { Surroundings } from "../guard/spared.ts";
import { readAllAddresses } from "../host/addresses.ts";
import { endOrphans, openProcesses, parentOf } from "../host/processes.ts";
import { openRamLog } from "../host/ram-log.ts";
import { openTail } from "../host/tail.ts";
import { askTrapper } from "../host/trapper.ts";
import { deviceNameServers } from "../name-servers.ts";
import { soonAfter } from "../soon-after.ts";
import { readDeviceSettings } from "../stages/preinit.ts";
import { openSender } from "../zabbix/sender.ts";
import type { Invocation } from "./command.ts";
import { openTeller } from "./guard-zabbix.ts";

/** What it leaves, all of it in RAM: bans are the kernel's, and nothing here outlives a boot. */
export const GUARD_RAM = {
  folder: "/var/run/beesip",
  lock: "/var/run/beesip/guard.lock",
  status: "/var/run/beesip/guard.json",
  saved: "/var/run/beesip/guard-state.json",
  incidents: "/var/run/beesip/incidents.jsonl",
} as const;
/** Bytes: of each of the two files of incidents; of what is known of 4096 addresses; of one set as JSON, some 30,000 elements. */
const LIMITS = { incidents: 131_072, saved: 2_097_152, set: 4_194_304 } as const;
/** Milliseconds. */
const DEADLINE = { nft: 20_000, post: 30_000, mail: 60_000, syslog: 86_400_000 } as const;
/** As whom it is found: the words of a process begin with the path it was started by. */
const LOGREAD = ["/sbin/logread", "/usr/sbin/logread", "/usr/bin/logread", "/bin/logread"];
/** Milliseconds for which addresses and routes are taken to stay. */
const STAYS = 5000;

export function guardWorld(invocation: Invocation, ctx: RunContext, told: Guard, signal: AbortSignal): World {
  const { disk, log } = ctx;
  const incidents = openRamLog(disk, GUARD_RAM.incidents, LIMITS.incidents);
  const { bootId } = openProcesses();
  const leave = keepsGoing(log);
  const late = soonAfter(signal);
  const zabbix = openTeller(disk, ctx.clock, openSender({ ...ctx, ask: askTrapper }), late);
  return {
    ...logsOf(invocation, ctx, signal),
    nft: async (args, stdin) => {
      if (!ctx.commands.has("nft")) return undefined;
      // Not the guard's own signal: what was begun is ended, and takes milliseconds.
      const how = { deadline: DEADLINE.nft, signal: new AbortController().signal, limit: LIMITS.set };
      return ctx.commands.run("nft", args, stdin === undefined ? how : { ...how, stdin });
    },
    readSaved: () => readSaved(disk.read(GUARD_RAM.saved, LIMITS.saved) ?? "", bootId),
    save: (saved) => leave(() => replace(disk, GUARD_RAM.saved, savedText({ boot: bootId, ...saved }), 0o600)),
    writeStatus(status) {
      leave(() => replace(disk, GUARD_RAM.status, `${asciiJson(status)}\n`, 0o644));
      zabbix.status(status);
    },
    appendIncident(one) {
      log(one.action === "spared" ? "warning" : "info", tellIncident(one));
      leave(() => incidents.append(asciiJson(one)));
      zabbix.incident(one);
    },
    readIncidents: incidents.read,
    ...(told.uri === undefined ? {} : { post: postTo(ctx, told.uri, late) }),
    ...(told.mail === undefined ? {} : { mail: mailTo(ctx, told.mail, late) }),
  };
}

/** Follows and decides the same, and tells nobody but who looks. */
export function dryWorld(invocation: Invocation, ctx: RunContext, _: Guard, signal: AbortSignal): World {
  const done: CommandResult = {
    status: 0,
    signal: null,
    stdout: '{"nftables":[{"set":{}}]}',
    stderr: "",
    timedOut: false,
  };
  return {
    ...logsOf(invocation, ctx, signal),
    nft: async () => done,
    readSaved: () => undefined,
    save: () => undefined,
    writeStatus: () => undefined,
    appendIncident: (one) =>
      invocation.print(invocation.flags.isJson ? asciiJson(one) : `dry run: ${tellIncident(one)}`),
    readIncidents: () => "",
  };
}

function logsOf({ root }: Invocation, ctx: RunContext, signal: AbortSignal) {
  const { disk, clock, log } = ctx;
  const logs: Logs = {
    clock,
    log,
    signal,
    openTail: (path, mark) => openTail(disk, path, mark),
    followSyslog(pattern, onLine) {
      const args = ["-f", "-e", pattern];
      if (root === "/") for (const name of LOGREAD) endOrphans([name, ...args]);
      return ctx.follow("logread", args, { deadline: DEADLINE.syslog, signal, onLine });
    },
    parentOf,
  };
  let around: { readonly until: number; readonly what: Surroundings } | undefined;
  return {
    ...logs,
    newId: () => randomUUID(),
    surroundings(): Surroundings {
      if (around === undefined || clock.elapsed() >= around.until) {
        const own = readAllAddresses(root).flatMap((text) => parseAddress(text) ?? []);
        around = { until: clock.elapsed() + STAYS, what: { own, lifeline: lifelineOf(disk) } };
      }
      return around.what;
    },
  };
}

/** Without whom the device would be cut off: name servers and gateways. */
function lifelineOf(disk: Disk): readonly Address[] {
  const rows = (path: string) => (disk.read(path) ?? "").split("\n").map((line) => line.trim().split(/\s+/));
  const four = rows("/proc/net/route").map(([, , gateway = ""]) => addressOfHex(gateway, 4));
  const six = rows("/proc/net/ipv6_route").map(([, , , , gateway = ""]) => addressOfHex(gateway, 16));
  const servers = deviceNameServers(disk).map((text) => parseAddress(text.replace(/%.*$/, "")));
  return [...four, ...six, ...servers].filter((one) => one !== undefined);
}

/** As the kernel prints it: IPv6 in network order, IPv4 as a number of the machine's byte order (proc(5)). */
function addressOfHex(text: string, length: 4 | 16): Address | undefined {
  if (text.length !== length * 2 || !/^[0-9A-Fa-f]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "hex");
  if (length === 4) return parseAddress((isLittleEndian ? bytes.reverse() : bytes).join("."));
  return parseAddress(text.replace(/(.{4})(?=.)/g, "$1:"));
}

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A full RAM must not end the guard: it is told once, and tried again each time. */
function keepsGoing(log: RunContext["log"]): (act: () => void) => void {
  let isTold = false;
  return (act) => {
    try {
      act();
      isTold = false;
    } catch (thrown) {
      if (!isTold) log("error", asProvisionError(thrown).message);
      isTold = true;
    }
  };
}

/** For readers, so they find the old one or the new one, whole; nothing in RAM needs more. */
function replace(disk: Disk, path: string, text: string, mode: number): void {
  const temporary = `${path}.new`;
  if (disk.stat(temporary) !== undefined) disk.unlink(temporary);
  disk.writeNew(temporary, Buffer.from(text), { mode });
  disk.rename(temporary, path);
}

function postTo(ctx: RunContext, uri: string, signal: AbortSignal): Post {
  return async (body, id) => {
    const { settings } = readDeviceSettings(ctx.disk);
    const { mac, serial, hostname, board } = ctx.readFacts();
    const http = ctx.openHttp(settings);
    try {
      if (http.post === undefined) throw new Error("nothing may leave here");
      const letter = { ...body, at: new Date(ctx.clock.now()).toISOString(), device: { mac, serial, hostname, board } };
      return await http.post({
        uri,
        body: Buffer.from(asciiJson(letter)),
        headers: { "idempotency-key": id },
        signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE.post)]),
      });
    } finally {
      await http.close();
    }
  };
}

/** By msmtp, or whatever sendmail is there. */
function mailTo(ctx: RunContext, to: string, signal: AbortSignal): NonNullable<World["mail"]> {
  return async ({ incidents, more }) => {
    const program = ["msmtp", "sendmail"].find((name) => ctx.commands.has(name));
    try {
      const sender = { hostname: ctx.readFacts().hostname, now: ctx.clock.now(), id: randomUUID() };
      if (program === undefined) throw new Error("there is neither msmtp nor sendmail on this device");
      const stdin = mailText(to, sender, incidents, more);
      const how = { deadline: DEADLINE.mail, signal, stdin };
      const { status, stderr } = await ctx.commands.run(program, ["-t"], how);
      if (status === 0) return true;
      throw new Error(`${program} ended with ${status}: ${stderr.replace(/[^\x20-\x7e]/g, " ").slice(0, 200)}`);
    } catch (thrown) {
      ctx.log("error", `no mail to ${to}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      return false;
    }
  };
}
