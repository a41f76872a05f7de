import type { Files, Log } from "../api.ts";
import type { Habits } from "../daemon.ts";
import { asProvisionError } from "../errors.ts";
import { OPTIONS, type Settings } from "../settings.ts";
import { readDeviceSettings } from "../stages/preinit.ts";
import { readState } from "../state.ts";
import { TX } from "../transaction/layout.ts";
import { readSchedule } from "./calendar.ts";
import { readZone } from "./zone.ts";

const LEAST_BACK_OFF = 30_000;
const USUAL = {
  by: OPTIONS.schedule.by.initial,
  cron: OPTIONS.schedule.cron.initial,
  jitter: OPTIONS.schedule.jitter.initial,
  backoff: OPTIONS.schedule.backoff.initial,
} as const;

/**
 * The device's habits as its files say now. What is wrong in them is told and the usual takes its place: a daemon that
 * would not start for a bad line could never fetch the good one.
 */
export function readHabits(files: Files, log: Log): Habits {
  const { cron, jitter, backoff } = orElse<Settings["schedule"]>(
    USUAL,
    log,
    () => readDeviceSettings(files).settings.schedule,
  );
  const schedule = orElse(readSchedule(USUAL.cron), log, () => readSchedule(cron));
  return {
    pace: {
      matches: (minute) => schedule.matches(minute),
      jitter: jitter * 1000,
      leastBackOff: LEAST_BACK_OFF,
      mostBackOff: backoff * 1000,
      random: Math.random,
    },
    zone: readZone(files),
    // A trial that has come through its reboot must prove itself now: it cannot wait for its turn in the crowd.
    isSettled:
      files.stat(TX.journal) === undefined && orElse(false, log, () => readState(files).confirmed !== undefined),
  };
}

function orElse<T>(usual: T, log: Log, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    const { message, findings } = asProvisionError(thrown);
    log("warning", [message, ...findings.map((finding) => finding.message)].join("; "));
    return usual;
  }
}
