import { resolve } from "node:path";
import type { Disk, Log } from "../api.ts";
import type { Board, Choices, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { RAM_FOLDER } from "../ram-folder.ts";
import type { Settings } from "../settings.ts";
import { readAddresses } from "./addresses.ts";
import { clock } from "./clock.ts";
import { openCommands, openDetach, openFollow } from "./commands.ts";
import { openDisk } from "./disk.ts";
import { openDns } from "./dns.ts";
import { readBuildDate, readFacts } from "./facts.ts";
import { openFileBytes } from "./file-bytes.ts";
import { type HttpSettings, openHttp } from "./http.ts";
import { openProcesses } from "./processes.ts";
import { openTlsa } from "./tlsa.ts";
import { startWatcher } from "./watcher.ts";

const USER_AGENT = "uciprov";

/** The device whose files lie below `root`, as a run sees it. */
export function openHost(
  root: string,
  run: { readonly choices: Choices; readonly board: Board; readonly log: Log; readonly signal: AbortSignal },
): RunContext {
  const disk = openDisk(root);
  const built = () => readBuildDate(disk);
  return {
    disk,
    stream: (path) => openFileBytes(disk.hostPath(path), run.signal),
    commands: openCommands(resolve(root)),
    follow: openFollow(resolve(root)),
    processes: openProcesses(),
    dns: openDns({ log: run.log }),
    openHttp: (settings) => {
      const isClockPlausible = () => clock.now() >= Math.max((built() ?? 0) * 1000, OLDEST);
      const serverKeys = openTlsa(settings, { files: disk, clock, log: run.log, isClockPlausible });
      return openHttp({ settings: httpSettings(settings, disk), serverKeys }, disk, clock, isClockPlausible);
    },
    detach: openDetach(resolve(root), disk),
    startWatcher: (seconds) => startWatcher(resolve(root), disk, seconds),
    setLed: async (name, state) => (await import("./led.ts")).setLed(disk, name, state),
    readFacts: () => readFacts(disk),
    readBuildDate: built,
    readAddresses: () => readAddresses(resolve(root)),
    isClockProven: () => resolve(root) !== "/" || CLOCK_MARKERS.some((path) => disk.stat(path) !== undefined),
    clock,
    ...run,
  };
}

/**
 * What NTP leaves behind: dnsmasq's own hook (openwrt package/network/services/dnsmasq/files/dnsmasqsec.hotplug) and ours. Below a scratch
 * root the clock is this machine's, and right.
 */
const CLOCK_MARKERS = ["/var/state/dnsmasqsec", `${RAM_FOLDER}/clock`];

/** No device with this program ran before: a clock that says so is wrong (2026-01-01). */
const OLDEST = 1_767_225_600_000;

function httpSettings({ main, limits }: Settings, disk: Disk): HttpSettings {
  const client = { cert: readPem(disk, main.client_cert), key: readPem(disk, main.client_key) };
  return {
    ca: main.ca.map((path) => readPem(disk, path) ?? ""),
    pins: main.pin,
    useSystemCa: main.system_ca,
    ...(client.cert !== undefined && client.key !== undefined
      ? { client: { cert: client.cert, key: client.key } }
      : {}),
    connectSeconds: limits.connect_seconds,
    headerSeconds: limits.header_seconds,
    bodyIdleSeconds: limits.idle_seconds,
    totalSeconds: limits.total_seconds,
    maxRedirects: limits.redirects,
    userAgent: USER_AGENT,
  };
}

function readPem(disk: Disk, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const text = path.startsWith("/") ? disk.read(path) : undefined;
  if (text !== undefined) return text;
  throw new ProvisionError("SETTINGS_INVALID", `${path} is named in the settings and is not there`, {
    place: { file: "/etc/config/uciprov" },
  });
}
