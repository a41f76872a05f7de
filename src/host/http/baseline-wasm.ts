/**
 * undici parses HTTP in WebAssembly whose one large function Node 20 (V8 11) compiles a second time, optimized, as soon as it is warm: +130 ms and
 * +36 MB at the peak, for a program that makes ten requests (docs/performance.md). Baseline code parses them just as well. Later V8s do not do it,
 * and V8 complains aloud of a flag it does not know: so only there, and before the parser is compiled.
 */
export function keepWasmBaseline(): void {
  if (Number.parseInt(process.versions.v8, 10) >= 12) return;
  // Not imported: other Nodes need not load it.
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  setFlagsFromString("--no-wasm-tier-up");
  setFlagsFromString("--no-wasm-dynamic-tiering");
}
