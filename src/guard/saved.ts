/** What a guard that is started again goes on from; in RAM, and of no account after a boot. Bans are not in it: those are the kernel's. */
import type { Kept } from "./book.ts";
import type { KeptMail } from "./mail.ts";
import { membersOf } from "./members.ts";

/** How far a file was read. */
export interface Mark {
  readonly dev: number;
  readonly inode: number;
  readonly offset: number;
}

export interface Saved {
  /** Of the boot whose seconds the times are. */
  readonly boot: string;
  readonly marks: Readonly<Record<string, Mark>>;
  readonly kept: readonly Kept[];
  /** The last incident that reached the report's URI. */
  readonly delivered?: string | undefined;
  readonly mail?: KeptMail | undefined;
}

export function savedText(saved: Saved): string {
  return `${JSON.stringify({ version: 1, ...saved })}\n`;
}

/** Of this boot, and whole; else undefined: to start afresh loses little. */
export function readSaved(text: string, boot: string): Saved | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const top = membersOf(value);
  const marks = Object.entries(membersOf(top?.["marks"]) ?? {});
  const { version, kept, delivered, mail } = top ?? {};
  if (version !== 1 || top?.["boot"] !== boot || !Array.isArray(kept)) return undefined;
  if (!marks.every(([, mark]) => isOf(mark, ["dev", "inode", "offset"]))) return undefined;
  if (
    !kept.every((one) => isOf(one, ["offences", "since", "until", "lastSeen"]) && isText(membersOf(one)?.["address"]))
  )
    return undefined;
  return {
    boot,
    marks: Object.fromEntries(marks) as Record<string, Mark>,
    kept: kept as Kept[],
    ...(isText(delivered) ? { delivered } : {}),
    ...(mail === undefined ? {} : { mail: keptMail(mail) }),
  };
}

function keptMail(value: unknown): KeptMail {
  const { last, upTo, told } = membersOf(value) ?? {};
  const all = Array.isArray(told) ? told : [];
  return {
    last: typeof last === "number" ? last : undefined,
    upTo: isText(upTo) ? upTo : undefined,
    told: all.flatMap((one) =>
      Array.isArray(one) && isText(one[0]) && Number.isFinite(one[1]) ? [[one[0], Number(one[1])] as const] : [],
    ),
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isOf(value: unknown, numbers: readonly string[]): boolean {
  const fields = membersOf(value);
  return fields !== undefined && numbers.every((name) => Number.isFinite(fields[name]));
}
