import { endianness } from "node:os";
import type { Http } from "../../api.ts";
import type { RunContext } from "../../context.ts";
import { asProvisionError, type ErrorCode, ProvisionError } from "../../errors.ts";
import { deviceNameServers } from "../../name-servers.ts";
import type { Settings } from "../../settings.ts";
import { entryUri } from "../../tree/resources.ts";
import { parseUri, redactUri } from "../../uri.ts";

/** One thing that must work after the change. */
export interface Probe {
  readonly name: string;
  /** Why it does not work, in words; undefined: it does. */
  failure(ctx: RunContext, http: Http): Promise<string | undefined>;
}

/** What `list probe` names, for the tree at `base`. SETTINGS_INVALID for a word that names none. */
export function probesOf(settings: Settings, base: string): readonly Probe[] {
  return settings.confirm.probe.map((name) => probeNamed(name, settings, base));
}

function probeNamed(name: string, settings: Settings, base: string): Probe {
  if (name === "tree") return treeProbe(base);
  if (name === "gateway") return { name, failure: gatewayFailure };
  if (name.startsWith("dns:")) return dnsProbe(name, name.slice("dns:".length), settings);
  if (/^https?:\/\//.test(name)) return httpProbe(name, redactUri(name));
  throw new ProvisionError("SETTINGS_INVALID", `uciprov.confirm.probe: ${name} is no probe`, {
    place: { file: "/etc/config/uciprov", option: "confirm.probe" },
  });
}

function treeProbe(base: string): Probe {
  return httpProbe(entryUri("MANIFEST", parseUri(base, "the provisioning URI")).text, "tree");
}

/** Errors that only a server behind a working network can cause: even a 5xx proves that the device is not cut off. */
const REACHED: ReadonlySet<ErrorCode> = new Set(["HTTP_UNAVAILABLE", "HTTP_REFUSED", "HTTP_ODD", "TOO_LARGE"]);
const ANSWER_LIMIT = 1_048_576;

function httpProbe(uri: string, name: string): Probe {
  return {
    name,
    async failure(ctx, http) {
      try {
        await http.get({ uri, limit: ANSWER_LIMIT, signal: ctx.signal });
        return undefined;
      } catch (thrown) {
        const error = asProvisionError(thrown);
        return REACHED.has(error.code) ? undefined : `${error.code}: ${error.message}`;
      }
    },
  };
}

function dnsProbe(name: string, asked: string, settings: Settings): Probe {
  return {
    name,
    async failure(ctx) {
      try {
        const { server, port, timeout } = settings.dns;
        const servers = server.length > 0 ? server : deviceNameServers(ctx.disk);
        await ctx.dns.txt(asked, { servers, port, deadline: timeout * 1000, signal: ctx.signal });
        return undefined;
      } catch (thrown) {
        return asProvisionError(thrown).message;
      }
    },
  };
}

async function gatewayFailure(ctx: RunContext): Promise<string | undefined> {
  const gateway = defaultGateway(ctx.disk.read("/proc/net/route") ?? "");
  if (gateway === undefined) return "there is no default route";
  if (!ctx.commands.has("ping")) return "there is no ping";
  const result = await ctx.commands.run("ping", ["-c", "1", "-W", "2", gateway], {
    deadline: 5000,
    signal: ctx.signal,
  });
  return result.status === 0 ? undefined : `${gateway} does not answer`;
}

/** The gateway of the route to 0.0.0.0 in /proc/net/route, whose addresses are hex in the machine's own byte order (proc(5)). */
function defaultGateway(table: string): string | undefined {
  for (const line of table.split("\n").slice(1)) {
    const [, destination, gateway] = line.split("\t");
    if (destination !== "00000000" || gateway === undefined || gateway === "00000000") continue;
    const bytes = Buffer.from(gateway, "hex");
    return [...(endianness() === "LE" ? bytes.reverse() : bytes)].join(".");
  }
  return undefined;
}
