/** What the agent's keys read: a file in RAM for each, which whoever knows the value writes. */
import type { Disk, Files } from "../api.ts";
import { AGENT_FILE, type AgentKey, MONITOR_FOLDER } from "../monitor-keys.ts";
import { makeFolder } from "../ram-folder.ts";

/** The longest that an agent hands on (MAX_BUFFER_LEN of Zabbix), less some room. */
export const LONGEST_VALUE = 60_000;

/**
 * Puts values where the agent's keys read them: a file each, readable by all, whole whenever it is looked at, written only when it changes. A value is one line;
 * undefined is none, and takes the file away. What cannot be written stays as it was, which is never an error.
 */
export function writeMonitor(
  disk: Disk,
  values: Readonly<Partial<Record<AgentKey, string | number | undefined>>>,
): void {
  try {
    makeFolder(disk, MONITOR_FOLDER, 0o755);
    for (const [key, value] of Object.entries(values)) {
      const path = `${MONITOR_FOLDER}/${key}`;
      if (value === undefined) {
        if (disk.stat(path) !== undefined) disk.unlink(path);
        continue;
      }
      const line = `${String(value)
        .replace(/[\u0000-\u001f\u007f]+/g, " ")
        .slice(0, LONGEST_VALUE)}\n`;
      if (disk.read(path, LONGEST_VALUE * 4) === line) continue;
      const fresh = `${MONITOR_FOLDER}/.${key}`;
      if (disk.stat(fresh) !== undefined) disk.unlink(fresh);
      disk.writeNew(fresh, Buffer.from(line), { mode: 0o644 });
      disk.rename(fresh, path);
    }
  } catch {
    // A full RAM; whoever reads the files sees by their times that they are old.
  }
}

/** Whether an agent here has our keys at all: elsewhere nobody would read the files. */
export function isAsked(files: Files): boolean {
  return files.stat(AGENT_FILE) !== undefined;
}
