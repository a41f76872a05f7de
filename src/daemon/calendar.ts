import { validateDetailed } from "node-cron";
import { ProvisionError } from "../errors.ts";

/** When the settings want a run: a set of minutes of the local calendar. */
export interface Schedule {
  /** As it is written in the settings. */
  readonly text: string;
  /** Whether this minute is one of them; minutes of local time, counted from 1970-01-01 00:00. */
  matches(minute: number): boolean;
}

const LONGEST = 200;

/**
 * Reads a cron expression of five fields, or `@hourly` and its like. SETTINGS_INVALID names the field that is wrong. node-cron is what reads it; its
 * own matcher is not used, since it needs Intl, which a router's Node may lack. It also counts through whatever range it is given, so that numbers
 * of more than two digits, which no field has, must not reach it.
 */
export function readSchedule(text: string): Schedule {
  const fault = (why: string) =>
    new ProvisionError("SETTINGS_INVALID", `uciprov.schedule.cron: ${why}`, {
      place: { file: "/etc/config/uciprov", option: "schedule.cron" },
    });
  if (text.length > LONGEST) throw fault(`more than ${LONGEST} characters`);
  if (/\d{3}/.test(text)) throw fault(`${text} holds a number that no field has`);
  if (!/^\s*(?:@\w+|\S+(?:\s+\S+){4})\s*$/.test(text)) throw fault(`${text} is not minute, hour, day, month, weekday`);
  const { fields, errors } = validateDetailed(text);
  if (fields === undefined) throw fault(`${text}: ${errors[0]?.message ?? "cannot be read"}`);
  const [minutes, hours, months] = [new Set(fields.minute), new Set(fields.hour), new Set(fields.month)];
  return {
    text,
    matches(minute) {
      const date = new Date(minute * 60_000);
      return (
        minutes.has(date.getUTCMinutes()) &&
        hours.has(date.getUTCHours()) &&
        months.has(date.getUTCMonth() + 1) &&
        fields.dayOfMonth.some((day) => isDayOfMonth(day, date)) &&
        fields.dayOfWeek.some((day) => isDayOfWeek(day, date))
      );
    },
  };
}

/** `31`, `L` (the last), `L-3`, `15W` and `LW` (the weekday next to it in the same month), as node-cron has them. */
function isDayOfMonth(wanted: number | string, date: Date): boolean {
  const day = date.getUTCDate();
  if (typeof wanted === "number") return wanted === day;
  const [, last, back, number, nearest] = /^(?:(L)(?:-(\d+))?|(\d+))(W)?$/i.exec(wanted) ?? [];
  const target = last === undefined ? Number(number) : lastDay(date) - Number(back ?? 0);
  return (nearest === undefined ? target : nextToWeekday(target, date)) === day;
}

/** `5`, `5L` (the month's last Friday), `5#2` (its second). */
function isDayOfWeek(wanted: number | string, date: Date): boolean {
  const weekday = date.getUTCDay();
  if (typeof wanted === "number") return wanted === weekday;
  const [, number, last, nth] = /^([0-7])(?:(L)|#([1-5]))$/i.exec(wanted) ?? [];
  if (Number(number) % 7 !== weekday) return false;
  const day = date.getUTCDate();
  return last === undefined ? Math.ceil(day / 7) === Number(nth) : day + 7 > lastDay(date);
}

/** NaN in a month without such a day. */
function nextToWeekday(day: number, date: Date): number {
  const last = lastDay(date);
  if (day > last) return Number.NaN;
  const weekday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), day)).getUTCDay();
  if (weekday === 6) return day === 1 ? day + 2 : day - 1;
  if (weekday === 0) return day === last ? day - 2 : day + 1;
  return day;
}

function lastDay(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}
