/** Seconds that local time is ahead of UTC at a moment (milliseconds since 1970). */
export type Offset = (moment: number) => number;

/** When the clocks change, as seconds of local time from the year's begin. */
type Change = (year: number) => number;

const DAY = 86_400;

const NAME = "(?:[A-Za-z]{3,16}|<[A-Za-z0-9+-]{3,16}>)";
const TIME = "([+-]?\\d{1,3}(?::\\d{1,2}){0,2})";
const ZONE = new RegExp(`^${NAME}${TIME}(?:${NAME}${TIME}?(?:,([^,]{1,20}),([^,]{1,20}))?)?$`);
/** A zone with summer time and without rules has those of the USA (POSIX leaves them open; glibc and musl read this). */
const USUAL = ["M3.2.0", "M11.1.0"] as const;

/**
 * Reads a TZ value as OpenWrt keeps it in `system.@system[0].timezone`: `CET-1CEST,M3.5.0,M10.5.0/3`, `<+0330>-3:30`
 * (POSIX.1-2017 Base Definitions §8.3; hours of changes up to 167 as in RFC 8536 §3.3.1). Undefined if it is none.
 */
export function parsePosixZone(text: string): Offset | undefined {
  const found = ZONE.exec(text.trim());
  const standard = found && seconds(found[1]);
  if (standard === undefined || standard === null) return undefined;
  if (!hasSummer(text)) return () => 0 - standard;
  const summer = found?.[2] === undefined ? standard - 3600 : seconds(found[2]);
  const begin = parseChange(found?.[3] ?? USUAL[0]);
  const end = parseChange(found?.[4] ?? USUAL[1]);
  if (summer === undefined || begin === undefined || end === undefined) return undefined;
  return (moment) => {
    // Either change is told in the time that holds until it.
    const local = moment / 1000 - standard;
    const year = new Date(local * 1000).getUTCFullYear();
    const second = local - Date.UTC(year, 0) / 1000;
    const [from, to] = [begin(year), end(year) - (standard - summer)];
    const isSummer = from < to ? second >= from && second < to : second >= from || second < to;
    return 0 - (isSummer ? summer : standard);
  };
}

function hasSummer(text: string): boolean {
  return new RegExp(`^${NAME}${TIME}${NAME}`).test(text.trim());
}

/** `-3:30`, `2`, `24:00:00`; the sign is POSIX's, west of Greenwich being positive. */
function seconds(text: string | undefined): number | undefined {
  const [, sign, hours, minutes = "0", rest = "0"] =
    /^([+-]?)(\d{1,3})(?::(\d{1,2}))?(?::(\d{1,2}))?$/.exec(text ?? "") ?? [];
  if (hours === undefined || Number(hours) > 167 || Number(minutes) > 59 || Number(rest) > 59) return undefined;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(rest));
}

/** `M3.5.0/2` (fifth: last Sunday of March), `J60` (February 29 is never counted), `59` (from 0, and it is). */
function parseChange(text: string): Change | undefined {
  const [rule = "", at = "2"] = text.split("/");
  const time = seconds(at);
  if (time === undefined) return undefined;
  const [, month, week, weekday] = /^M(\d{1,2})\.([1-5])\.([0-6])$/.exec(rule)?.map(Number) ?? [];
  if (month !== undefined && week !== undefined && weekday !== undefined) {
    return month < 1 || month > 12 ? undefined : (year) => weekdayOf(year, month, week, weekday) * DAY + time;
  }
  const [, julian, day] = /^(J?)(\d{1,3})$/.exec(rule) ?? [];
  const number = Number(day);
  if (day === undefined || number > 365 || (julian === "J" && number === 0)) return undefined;
  return (year) => (julian === "J" ? number - 1 + (number > 59 && isLeap(year) ? 1 : 0) : number) * DAY + time;
}

/** The day of the year, from 0, of the month's `week`th `weekday`; the fifth is the last. */
function weekdayOf(year: number, month: number, week: number, weekday: number): number {
  const first = new Date(Date.UTC(year, month - 1, 1));
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const nearest = (weekday - first.getUTCDay() + 7) % 7;
  const day = nearest + 7 * (week - 1);
  return (first.getTime() - Date.UTC(year, 0)) / (DAY * 1000) + (day < length ? day : day - 7);
}

function isLeap(year: number): boolean {
  return new Date(Date.UTC(year, 2, 0)).getUTCDate() === 29;
}
