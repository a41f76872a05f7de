import type { Disk } from "../../api.ts";

/** What was looked at on the device, and whether it still is as it was seen. */
export interface Looks {
  readonly disk: Disk;
  isStillSo(): boolean;
}

/** Notes each look at `disk`, to be taken again. */
export function noteLooks(disk: Disk): Looks {
  const again: (() => boolean)[] = [];
  const noting = new Proxy(disk, {
    get(_, name) {
      const look: (...args: unknown[]) => unknown = Reflect.get(disk, name);
      return (...args: unknown[]) => {
        const seen = look(...args);
        const printed = print(seen);
        again.push(() => print(look(...args)) === printed);
        return seen;
      };
    },
  });
  return { disk: noting, isStillSo: () => again.every((isSo) => isSo()) };
}

function print(seen: unknown): string | undefined {
  return seen instanceof Uint8Array ? Buffer.from(seen).toString("latin1") : JSON.stringify(seen);
}
