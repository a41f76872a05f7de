import { hash } from "node:crypto";
import type { Action } from "./order.ts";

type Write = Extract<Action, { kind: "write" }>;

/** The action that writes these bytes; who knows their digest says so. */
export function writeBytes(
  path: string,
  bytes: Uint8Array,
  {
    sha256 = hash("sha256", bytes, "hex"),
    ...as
  }: Pick<Write, "mode" | "uid" | "gid"> & Partial<Pick<Write, "sha256">>,
): Write {
  return { kind: "write", path, content: { kind: "bytes", bytes }, size: bytes.length, sha256, ...as };
}
