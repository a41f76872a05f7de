import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where the program lies on a device, and below a jail what measures it. */
const PROGRAM = "/usr/lib/uciprov";
const PEAK = "/peak.cjs";

/**
 * A copy of a device's files to change root into: there uciprov works on `/` as on a device, where no link on the way has to be looked for
 * (src/host/root-path.ts). The running Node, its libraries, the built program and /proc are added. Needs root.
 */
export function makeJail(root, jail) {
  cpSync(root, jail, { recursive: true, verbatimSymlinks: true });
  for (const file of [process.execPath, ...librariesOf(process.execPath)]) copy(file, join(jail, file));
  cpSync("dist", join(jail, PROGRAM), { recursive: true });
  cpSync(join(import.meta.dirname, "peak.cjs"), join(jail, PEAK));
  mkdirSync(join(jail, "dev"), { recursive: true });
  execFileSync("mknod", [join(jail, "dev/urandom"), "c", "1", "9"]);
  // NTP's marker: a clock that nothing has set would be another run.
  mkdirSync(join(jail, "tmp/state"), { recursive: true });
  writeFileSync(join(jail, "tmp/state/dnsmasqsec"), "");
  // Last: should something before it fail, nothing is mounted that a removal of the folder would walk into.
  mkdirSync(join(jail, "proc"), { recursive: true });
  execFileSync("mount", ["-t", "proc", "proc", join(jail, "proc")]);
  return {
    program: `${PROGRAM}/uciprov.cjs`,
    place: { jail, peak: PEAK },
    remove() {
      execFileSync("umount", [join(jail, "proc")]);
      rmSync(jail, { recursive: true });
    },
  };
}

function librariesOf(program) {
  const told = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...told.matchAll(/(?:=> |^\t)(\/\S+)/gm)].map(([, file]) => file);
}

function copy(from, to) {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to); // what a link leads to
}
