import type { DeviceFacts, Files, MacroTable } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { isNetworkTaught, type MacroValue } from "../macros.ts";
import { readSettings, type Settings } from "../settings.ts";
import { readState, type State } from "../state.ts";
import { parsePackage } from "../uci/parse.ts";

const CONFIG = "/etc/config/uciprov";

/** Reads who the device is and what it has been told to do. Everything later stages know of the device is in the result. */
export function preinit(ctx: RunContext): Device {
  const { settings, findings } = readDeviceSettings(ctx.disk);
  for (const finding of findings) ctx.log("warning", finding.message);
  const facts = ctx.readFacts();
  const state = readState(ctx.disk);
  const macros = deviceMacros(ctx, settings, facts, state);
  return { settings, facts, state, macros, http: ctx.openHttp(settings) };
}

/** The settings as they are on the device now; SETTINGS_INVALID tells what is wrong in them, also a syntax error. */
export function readDeviceSettings(files: Files): ReturnType<typeof readSettings> {
  const bytes = files.readBytes(CONFIG);
  if (bytes === undefined) return readSettings(undefined);
  try {
    return readSettings(parsePackage(bytes, { name: "uciprov", file: CONFIG }));
  } catch (cause) {
    if (cause instanceof ProvisionError && cause.code === "SETTINGS_INVALID") throw cause;
    throw new ProvisionError("SETTINGS_INVALID", "/etc/config/uciprov cannot be read", { cause });
  }
}

/** `fd` is `-fd` until the first generation is confirmed: flashing alone does not end the first boot. */
export const FIRST_BOOT = "-fd";

/** The macros that the device and its settings have; nothing of a resolver's answer is in them yet. */
export function deviceMacros(
  ctx: Pick<RunContext, "disk" | "readAddresses">,
  settings: Settings,
  facts: DeviceFacts,
  state: State,
): MacroTable {
  const domain = searchDomain(ctx.disk);
  const addresses = ctx.readAddresses();
  const [target, subtarget] = facts.target.split("/");
  const own: Record<string, string | undefined> = {
    mac: facts.mac,
    hostname: facts.hostname,
    domain,
    fqdn: domain === undefined ? undefined : `${facts.hostname}.${domain}`,
    ip: addresses.ip,
    ip6: addresses.ip6,
    board: facts.board,
    model: facts.model,
    target,
    subtarget: subtarget ?? "",
    arch: facts.arch,
    distro: facts.distro,
    release: facts.release,
    revision: facts.revision,
    serial: facts.serial,
    fd: state.confirmed === undefined ? FIRST_BOOT : "",
  };
  const table = new Map<string, MacroValue>();
  for (const { name, value } of settings.macros) table.set(name, { value, isTainted: false, origin: CONFIG });
  for (const [name, value] of Object.entries(own)) {
    if (value === undefined) continue;
    table.set(name, { value, isTainted: isNetworkTaught(name), origin: "device", isLiteral: true });
  }
  return table;
}

/** The first search domain of the uplink (netifd writes the first file), `lan` being dnsmasq's own. */
function searchDomain(files: Files): string | undefined {
  for (const path of ["/tmp/resolv.conf.d/resolv.conf.auto", "/etc/resolv.conf"]) {
    const found = /^(?:search|domain)[ \t]+(\S+)/m.exec(files.read(path) ?? "")?.[1]?.replace(/\.$/, "");
    if (found !== undefined && found !== "lan" && /^[A-Za-z0-9_.-]{1,253}$/.test(found)) return found.toLowerCase();
  }
  return undefined;
}
