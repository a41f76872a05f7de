import type { LeftPart } from "../../left-part.ts";
import { partOfPackage, partOfPath, partOfService } from "./parts.ts";

/** What a plan passes over, as if it were not in the tree and not owned: it stays as it is on the device, and remembered as it was. */
export interface Held {
  hasPackage(name: string): boolean;
  hasPath(path: string, module: string): boolean;
  hasService(name: string): boolean;
}

export function holdBack(left: readonly LeftPart[]): Held {
  const parts = new Set(left.map(({ part }) => part));
  return {
    hasPackage: (name) => parts.has(partOfPackage(name)),
    hasPath: (path, module) => parts.has(partOfPath(path, module)),
    hasService: (name) => parts.has(partOfService(name)),
  };
}
