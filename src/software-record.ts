/** What uciprov remembers of software packages, as it lies in the device's state. */

/** What uciprov installed: because a tree names it, or as something such a package needs. */
export interface SoftwareRecord {
  readonly ours: Readonly<Record<string, "named" | "dependency">>;
  /** Still to be removed, once a trial is confirmed. */
  readonly pending: readonly string[];
}

export const NO_SOFTWARE: SoftwareRecord = { ours: {}, pending: [] };

/** As both tools' names are; no pattern, no version, no option, no path, and no file of the current folder, which both would take unsigned or not. */
export const SOFTWARE_NAME = /^(?!.*\.(?:apk|deb|ipk|opk)$)[a-z0-9][A-Za-z0-9+._-]{0,127}$/;

/** The record in a value that came out of JSON; a TypeError says what is no record about it. */
export function parseSoftwareRecord(value: unknown): SoftwareRecord {
  const { ours, pending } = asObject(value);
  if (!Array.isArray(pending)) throw new TypeError("no list");
  return {
    ours: Object.fromEntries(
      Object.entries(asObject(ours)).map(([name, how]) => {
        if (!SOFTWARE_NAME.test(name) || (how !== "named" && how !== "dependency"))
          throw new TypeError(`${name} is no package`);
        return [name, how];
      }),
    ),
    pending: pending.map((name: unknown) => {
      if (typeof name !== "string" || !SOFTWARE_NAME.test(name)) throw new TypeError("no package's name");
      return name;
    }),
  };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
  return Object.fromEntries(Object.entries(value));
}
