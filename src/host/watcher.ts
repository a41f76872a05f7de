import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";

const SCRIPT = "/lib/uciprov/recover.sh";

/**
 * Starts `recover.sh watch SECONDS` in a session of its own: if this process dies during the trial, sh brings the old configuration back
 * without Node. The device's own script is taken, else the one that lies beside the program.
 */
export function startWatcher(root: string, disk: Disk, seconds: number): void {
  const script = disk.stat(SCRIPT)?.kind === "file" ? disk.hostPath(SCRIPT) : besideProgram();
  const { spawn } = process.getBuiltinModule("node:child_process");
  const child = spawn("/bin/sh", [script, "watch", String(seconds)], {
    detached: true,
    stdio: "ignore",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", UCIPROV_ROOT: root === "/" ? "" : root },
  });
  child.on("error", () => undefined);
  if (child.pid === undefined) throw new ProvisionError("COMMAND_FAILED", "the watcher cannot be started");
  child.unref();
}

function besideProgram(): string {
  // `npm link` puts a link on the PATH.
  const here = dirname(realpathSync(process.argv[1] ?? "."));
  const script = [join(here, "recover.sh"), join(here, "../openwrt-package/files/lib/uciprov/recover.sh")].find(
    existsSync,
  );
  if (script === undefined)
    throw new ProvisionError("COMMAND_FAILED", `recover.sh is neither ${SCRIPT} nor beside the program`);
  return script;
}
