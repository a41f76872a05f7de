/** Fields of an object that came as JSON; each throws TypeError at what is of another kind. */

export function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
  return Object.fromEntries(Object.entries(value));
}

export function textOf(from: Record<string, unknown>, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw new TypeError(`${name} is no text`);
  return value;
}

export function numberOf(from: Record<string, unknown>, name: string): number {
  const value = from[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`${name} is no number`);
  return value;
}
