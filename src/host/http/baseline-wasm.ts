/** V8 complains aloud of a flag that it does not know; those of Node 20 (11) to 26 (14) know these. */
const KNOWING = { from: 11, to: 14 };
const FLAGS = ["wasm-tier-up", "wasm-dynamic-tiering", "wasm-lazy-compilation"];

let isKept = false;

/**
 * undici parses HTTP in WebAssembly, whose one large function V8 compiles a second time, optimized, after a few requests: up to 130 ms and 20 to 36 MB
 * at the peak, for a program that makes ten of them (docs/performance.md). Baseline code parses them just as well. All of it is compiled at once, which takes no
 * longer than function by function, and not when an answer has come. Must come before the parser is loaded,
 * and after Node's own files that HTTP needs: V8 takes none of them from Node's cache once a flag has changed.
 */
export function keepWasmBaseline(): void {
  const version = Number.parseInt(process.versions.v8, 10);
  if (version < KNOWING.from || version > KNOWING.to) return;
  setFlags("no-");
  isKept = true;
}

/** Flags as the process was started with: what is compiled from now on is what the next process takes for its own. */
export function leaveWasmAsStarted(): void {
  if (isKept) setFlags("");
  isKept = false;
}

function setFlags(prefix: "no-" | ""): void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  for (const flag of FLAGS) setFlagsFromString(`--${prefix}${flag}`);
}
