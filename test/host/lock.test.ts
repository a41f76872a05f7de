import { expect, test } from "vitest";
import { takeLock } from "../../src/host/lock.ts";
import { aRunContext } from "../helpers/run-context.ts";

const LOCK = "/var/run/uciprov/lock";
const people = (self: string, alive: readonly string[]) => ({ self, isAlive: (one: string) => alive.includes(one) });

test("one holds it, the next is told who", () => {
  const { disk } = aRunContext();
  const release = takeLock(disk, people("11-a", ["11-a"]));
  expect(() => takeLock(disk, people("12-b", ["11-a", "12-b"]))).toThrow(
    expect.objectContaining({ code: "BUSY", message: expect.stringContaining("11") }),
  );
  release();
  takeLock(disk, people("12-b", ["12-b"]))();
  expect(disk.stat(LOCK)).toBeUndefined();
});

test("the lock of a dead process is taken over, and the dead one's release does not open it", () => {
  const { disk } = aRunContext();
  const late = takeLock(disk, people("11-a", []));
  takeLock(disk, people("12-b", ["12-b"]));
  late();
  expect(disk.read(LOCK)?.trim()).toBe("12-b");
});

test("an empty or foreign lock file stops nobody for ever", () => {
  const { disk } = aRunContext();
  takeLock(disk, people("11-a", []))();
  disk.writeNew(LOCK, new Uint8Array(), { mode: 0o600 });
  takeLock(disk, people("12-b", ["12-b"]));
  expect(disk.read(LOCK)?.trim()).toBe("12-b");
});
