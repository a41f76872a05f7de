import { takeLock } from "../host/lock.ts";
import { openProcesses } from "../host/processes.ts";
import { askTrapper } from "../host/trapper.ts";
import { PLACES } from "../probe/places.ts";
import { type ProbeWorld, probeDry, probeForever, probeOnce } from "../probe/probe.ts";
import { readLinks, readStatus } from "../probe/values.ts";
import { soonAfter } from "../soon-after.ts";
import { readDeviceSettings } from "../stages/preinit.ts";
import { openSender } from "../zabbix/sender.ts";
import type { Command, Invocation } from "./command.ts";
import { openRun } from "./open-run.ts";
import { passOverSignals } from "./run.ts";

const LOCK = { path: PLACES.lock, doing: "is this device's probe" };

/** Stays and calls its partners, or does so once; or tells how it stands. */
export const probe: Command = async (invocation) => {
  const { flags } = invocation;
  const world = worldOf(invocation);
  if (flags.isStatus) return tellStatus(invocation, world);
  passOverSignals();
  const release = takeLock(world.disk, openProcesses(), LOCK);
  try {
    if (!flags.isOnce) {
      await probeForever(world);
      return "provisioned";
    }
    if (flags.isDry) {
      await probeDry(world);
      return "provisioned";
    }
    const left = await probeOnce(world);
    tellStatus(invocation, world);
    return left === 0 ? "provisioned" : "try-later";
  } catch (thrown) {
    // Being asked to stop is no failure: the next process ends the round.
    if (invocation.signal.aborted) return "provisioned";
    throw thrown;
  } finally {
    release();
  }
};

function worldOf(invocation: Invocation): ProbeWorld {
  const { disk, clock, log, openHttp, processes, signal } = openRun(invocation);
  return {
    sender: openSender({ disk, clock, log, processes, ask: askTrapper }),
    disk,
    clock,
    log,
    signal,
    late: soonAfter(signal),
    openHttp,
    readSettings: () => readDeviceSettings(disk).settings,
    async lookUp(host) {
      const { lookup } = process.getBuiltinModule("node:dns/promises");
      return (await lookup(host, { all: true })).map(({ address }) => address);
    },
    random: Math.random,
  };
}

function tellStatus({ flags, print }: Invocation, { disk }: ProbeWorld): "provisioned" {
  const status = readStatus(disk);
  const links = readLinks(disk);
  if (flags.isJson) {
    print(JSON.stringify({ exit: "provisioned", ...status, links }));
    return "provisioned";
  }
  const { round, measured, failed, waiting, dropped, trouble } = status;
  const when =
    round === 0
      ? "no round yet"
      : `round of ${new Date(round * 1000).toISOString()}: ${measured} measured, ${failed} not`;
  print(
    `${when}; ${waiting} results wait for the collector, ${dropped} were dropped${trouble === "" ? "" : `\n${trouble}`}`,
  );
  for (const { partner, state, mos, loss, rtt } of links) {
    const numbers =
      mos === undefined || loss === undefined
        ? state
        : `MOS ${mos.toFixed(2)}, ${(loss * 100).toFixed(1)} % lost, ${rtt === undefined ? "-" : rtt.toFixed(1)} ms there and back`;
    print(`  ${partner.padEnd(32)} ${numbers}`);
  }
  return "provisioned";
}
