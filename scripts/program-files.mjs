import { readdirSync, readFileSync } from "node:fs";

const MAKEFILE = "openwrt-package/uciprov/Makefile";

/** The files of dist/ that lie on a device, by the patterns that the build system's own Makefile installs. */
export function programFiles() {
  const patterns = /^UCIPROV_PROGRAM:=(.+)$/m.exec(readFileSync(MAKEFILE, "utf8"))?.[1].trim().split(/\s+/);
  if (patterns === undefined) throw new Error(`${MAKEFILE} names no UCIPROV_PROGRAM`);
  const names = readdirSync("dist").sort();
  const found = patterns.map((pattern) => names.filter((name) => isLike(name, pattern)));
  const missing = patterns.find((_, at) => found[at].length === 0);
  if (missing !== undefined) throw new Error(`there is no dist/${missing}: npm run build`);
  return found.flat();
}

/** `*.END`, or a name. */
function isLike(name, pattern) {
  return pattern.startsWith("*") ? name.endsWith(pattern.slice(1)) : name === pattern;
}
