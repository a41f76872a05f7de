import { openCompiledCode } from "./compiled-code.ts";

/** `--root DIR` or `--root=DIR`, without the parser, which is not loaded yet; what it does not find costs time and nothing else. */
function rootOf(argv: readonly string[]): string {
  const at = argv.indexOf("--root");
  const joined = argv.find((word) => word.startsWith("--root="));
  return (at < 0 ? joined?.slice("--root=".length) : argv[at + 1]) || "/";
}

const code = openCompiledCode(__dirname, rootOf(process.argv));
const { main } = code.load("main.cjs") as typeof import("./main.ts");

/** The only place that exits. Everything is written by now, and Node has nothing to put in order that the kernel would not. */
void main(code.keep).then((status) => process.exit(status));
