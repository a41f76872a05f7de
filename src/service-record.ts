/** What uciprov remembers of services, as it lies in the device's state. */
import type { ServiceChange } from "./changes.ts";

export type ServiceRun = "started" | "stopped";
/** `restart`: paths whose change wants a restart, where the others are content with a reload. */
export type OnChange = NonNullable<ServiceChange["onChange"]> & { readonly restart?: readonly string[] };

/** The name of an init script, which ends up in paths and in the journal. */
export const SERVICE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}$/;

/** What uciprov did to a service and has to mend when the tree falls silent. Plain, as it lies in the device's state. */
export interface OwnedService {
  /** What the tree said, and how the service was before; not known without procd. */
  readonly run?: { readonly set: ServiceRun; readonly before?: ServiceRun };
  readonly onChange?: OnChange;
}

export type ServiceRecord = Readonly<Record<string, OwnedService>>;

/** The part of the state that tells of services; a TypeError says what is no record about it. */
export function parseServiceRecord(value: unknown): ServiceRecord {
  return Object.fromEntries(
    Object.entries(asObject(value)).map(([name, one]) => {
      if (!SERVICE_NAME.test(name)) throw new TypeError(`${name} is no service`);
      const { run, onChange } = asObject(one);
      return [
        name,
        {
          ...(run === undefined ? {} : { run: parseRun(run) }),
          ...(onChange === undefined ? {} : { onChange: parseOnChange(onChange) }),
        },
      ];
    }),
  );
}

function parseRun(value: unknown): NonNullable<OwnedService["run"]> {
  const { set, before } = asObject(value);
  if (!isRun(set) || (before !== undefined && !isRun(before))) throw new TypeError("no state of a service");
  return { set, ...(before === undefined ? {} : { before }) };
}

function isRun(value: unknown): value is ServiceRun {
  return value === "started" || value === "stopped";
}

function parseOnChange(value: unknown): OnChange {
  const { paths, act, restart } = asObject(value);
  if (act !== "reload" && act !== "restart") throw new TypeError("no act of a service");
  return { paths: parsePaths(paths), act, ...(restart === undefined ? {} : { restart: parsePaths(restart) }) };
}

function parsePaths(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new TypeError("no paths of a service");
  return value.map((path: unknown) => {
    if (typeof path !== "string") throw new TypeError("a path is no text");
    return path;
  });
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
  return Object.fromEntries(Object.entries(value));
}
