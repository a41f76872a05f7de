import { ERRORS, type Finding, type Place, ProvisionError } from "./errors.ts";

/** How words are set off on a terminal; plain elsewhere. */
export interface Paint {
  bad(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  quiet(text: string): string;
  strong(text: string): string;
}

const asIs = (text: string): string => text;
export const PLAIN: Paint = { bad: asIs, good: asIs, warn: asIs, quiet: asIs, strong: asIs };

/** An error for people: what, where, why, and what to do about it. Known ones have no stack; unknown ones keep theirs. */
export function tellError(error: ProvisionError, paint: Paint): string {
  const lines = [`${paint.bad(error.code)}: ${error.message}${placeOf(error.place)}`];
  for (const finding of error.findings) lines.push(`  ${tellFinding(finding, paint)}`);
  for (const cause of causesOf(error)) lines.push(`  ${paint.quiet("because")} ${cause}`);
  if (error.code === "INTERNAL" && error.cause instanceof Error) lines.push(error.cause.stack ?? "");
  lines.push(`  ${paint.quiet("→")} ${ERRORS[error.code].remedy}`);
  return lines.join("\n");
}

export function tellFinding(finding: Finding, paint: Paint): string {
  const word = { error: paint.bad("error"), warning: paint.warn("warning"), note: paint.quiet("note") }[
    finding.severity
  ];
  return `${word} ${finding.code}: ${finding.message}${placeOf(finding.place)}`;
}

/** What programs are told of an error. */
export interface ErrorFacts extends Record<string, unknown> {
  readonly place?: Place;
  readonly findings?: readonly Finding[];
}

/** An error for programs: the same facts, with the stable code and the name of the exit status. */
export function errorFacts(error: ProvisionError): ErrorFacts {
  return {
    code: error.code,
    exit: error.exit,
    message: error.message,
    ...(error.place ? { place: error.place } : {}),
    ...(error.findings.length > 0 ? { findings: error.findings } : {}),
    because: causesOf(error),
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    remedy: ERRORS[error.code].remedy,
  };
}

export function placeOf(place: Place | undefined): string {
  if (place === undefined) return "";
  const parts = [
    place.file,
    place.line === undefined ? undefined : `line ${place.line}`,
    place.byte === undefined ? undefined : `byte ${place.byte}`,
    place.option === undefined ? undefined : `option ${place.option}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** What lies behind an error, the nearest first, each in a line. */
export function causesOf(error: Error): string[] {
  const told: string[] = [];
  for (let cause: unknown = error.cause; cause !== undefined && told.length < 8; ) {
    told.push(oneLine(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return told;
}

function oneLine(cause: unknown): string {
  if (cause instanceof ProvisionError) return `${cause.code}: ${cause.message}${placeOf(cause.place)}`;
  if (cause instanceof Error) return cause.message.split("\n")[0] ?? cause.name;
  return String(cause);
}
