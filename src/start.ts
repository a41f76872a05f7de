import { openCompiledCode } from "./compiled-code.ts";

/** `--root DIR` or `--root=DIR`, without the parser, which is not loaded yet; what it does not find costs time and nothing else. */
function rootOf(argv: readonly string[]): string {
  const at = argv.indexOf("--root");
  const joined = argv.find((word) => word.startsWith("--root="));
  return (at < 0 ? joined?.slice("--root=".length) : argv[at + 1]) || "/";
}

/** As procd starts us again and again, the log would be full of it. */
const PAUSE = 300_000;

// Node 18, which is OpenWrt 23.05's, would begin a run and come to no end that says why.
if (Reflect.has(process, "getBuiltinModule")) start();
else {
  process.stderr.write(`uciprov: this is Node ${process.version}; install a package of Node 20.19 or newer\n`);
  setTimeout(() => process.exit(1), process.argv[2] === "daemon" ? PAUSE : 0);
}

function start(): void {
  const code = openCompiledCode(__dirname, rootOf(process.argv));
  const { main } = code.load("main.cjs") as typeof import("./main.ts");
  /** The only place that exits. Everything is written by now, and Node has nothing to put in order that the kernel would not. */
  void main(code.keep).then((status) => process.exit(status));
}
