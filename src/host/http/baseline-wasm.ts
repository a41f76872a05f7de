/** V8 complains aloud of a flag that it does not know; those of Node 20 (11) to 26 (14) know these. */
const KNOWING = { from: 11, to: 14 };

/**
 * undici parses HTTP in WebAssembly, whose one large function V8 compiles a second time, optimized, after a few requests: up to 130 ms and 20 to 36 MB
 * at the peak, for a program that makes ten of them (docs/performance.md). Baseline code parses them just as well. Must come before the parser is loaded.
 */
export function keepWasmBaseline(): void {
  const version = Number.parseInt(process.versions.v8, 10);
  if (version < KNOWING.from || version > KNOWING.to) return;
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  setFlagsFromString("--no-wasm-tier-up");
  setFlagsFromString("--no-wasm-dynamic-tiering");
}
