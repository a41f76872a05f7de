/**
 * SHA-256 of bytes or of a text's UTF-8, as 64 lower-case hex digits. node:crypto costs a device more to load than everything else a run
 * without news needs, so it is loaded by the first digest.
 */
export function sha256(content: Uint8Array | string): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(content).digest("hex");
}
