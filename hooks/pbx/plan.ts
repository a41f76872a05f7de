import { isIPv6 } from "node:net";
import {
  type Change,
  file,
  makeSection,
  type Origin,
  optionList,
  type PlanContext,
  parseBatch,
  service,
  uci,
} from "../../src/api.ts";
import { type GatewayList, parseGatewayList } from "../_gateway-list.ts";
import { KEPT_GATEWAYS } from "../_gateway-resource.ts";
import { renderAsterisk } from "./asterisk.ts";
import { DB_TEXT, type Exchange, readExchange } from "./exchange.ts";
import { KAMAILIO_CFG, type KamailioFile, memoryFor, renderKamailio } from "./kamailio.ts";
import { EXTENSIONS, RELOADER } from "./kamailio-extensions.ts";
import { provisioningUri, renderPhones } from "./phones.ts";
import { type Relay, RTPENGINE_CONF, renderRtpengine, SECTION } from "./rtpengine.ts";
import type { PbxSection } from "./schema.ts";
import { isTrap, readTrap, renderTrap } from "./trap.ts";

/** The exchange as changes: files, the services' own switches, and how phones find theirs. */
export function planPbx(context: PlanContext): readonly Change[] {
  if (isTrap(context)) {
    const trap = readTrap(context);
    return trap === undefined ? [] : kamailio(context, trap.pbx, [{ path: KAMAILIO_CFG, text: renderTrap(trap) }], {});
  }
  const { list, changes } = keptList(context);
  const exchange = readExchange(context, list);
  if (exchange === undefined) return changes;
  return [
    ...changes,
    ...(exchange.pbx.role === "proxy" ? [] : asterisk(context, exchange)),
    ...(exchange.pbx.role === "b2bua" ? [] : phonesDoor(context, exchange)),
    ...(exchange.relay === undefined ? [] : rtpengine(context, exchange, exchange.relay)),
    ...phones(context, exchange),
  ];
}

const ORIGIN: Origin = { module: "pbx" };
const FROM_UCI: Origin = { module: "pbx", uri: "/etc/config/beesip" };

const NO_LIST: GatewayList = { gateways: [], routes: [] };

/** The tree's list if it is good, else the last one that was; none at all if the tree has none. A bad one without a good one before it is a fault. */
function keptList(context: PlanContext): { readonly list: GatewayList; readonly changes: readonly Change[] } {
  const resource = context.resource("gateways");
  if (resource === undefined) return { list: NO_LIST, changes: [] };
  const text = context.text("gateways");
  if (text === undefined) return { list: NO_LIST, changes: [] };
  const fresh = parseGatewayList(text, resource.uri);
  if ("list" in fresh)
    return { list: fresh.list, changes: [file(KEPT_GATEWAYS, text, { mode: 0o600, origin: resource.origin })] };

  const before = context.owned.has(KEPT_GATEWAYS) ? context.files.read(KEPT_GATEWAYS) : undefined;
  const last = before === undefined ? undefined : parseGatewayList(before, KEPT_GATEWAYS);
  const isKept = last !== undefined && "list" in last;
  for (const { code, message, place } of fresh.faults)
    context.finding(isKept ? "warning" : "error", code, message, place);
  if (!isKept || before === undefined) return { list: NO_LIST, changes: [] };
  context.finding("warning", "PLAN_INVALID", "the gateway list is bad: the last good one stays in use", {
    file: resource.uri,
  });
  return { list: last.list, changes: [file(KEPT_GATEWAYS, before, { mode: 0o600, origin: resource.origin })] };
}

/** Secrets, for root and the group the program runs in (OpenWrt's packages make groups of these names). */
const secret = (path: string, text: string, group: string): Change =>
  file(path, text, { mode: 0o640, group, origin: FROM_UCI });

function asterisk(context: PlanContext, exchange: Exchange): readonly Change[] {
  if (isMissing(context, "asterisk")) return [];
  const files = renderAsterisk(exchange);
  const paths = (isReloadable: boolean) =>
    files.filter((one) => one.isReloadable === isReloadable).map(({ path }) => path);
  return [
    ...files.map(({ path, text }) => secret(path, text, "asterisk")),
    switchedOn("asterisk", { enabled: "1" }),
    service("asterisk", { boot: "enabled", run: "started", onChange: { paths: paths(true), act: "reload" } }, ORIGIN),
    service("asterisk", { onChange: { paths: paths(false), act: "restart" } }, ORIGIN),
  ];
}

/** Kamailio where phones log in: extensions that change are handed to it while it runs, if it can read them from a file of their own. */
function phonesDoor(context: PlanContext, exchange: Exchange): readonly Change[] {
  const changes = kamailio(context, exchange.pbx, renderKamailio(exchange), {
    ...memoryFor(exchange),
    ...(isIPv6(exchange.address) ? { listen6: listenOn(exchange.pbx) } : {}),
  });
  if (changes.length === 0) return [];
  if (exchange.hasTableFile)
    return [...changes, service(RELOADER, { onChange: { paths: [EXTENSIONS], act: "reload" } }, ORIGIN)];
  context.finding(
    "warning",
    "PLAN_INVALID",
    `${DB_TEXT} is not on this device: each extension that changes restarts Kamailio until kamailio-mod-db-text is installed`,
    { file: "/etc/config/beesip", option: "beesip.pbx.role" },
  );
  return changes;
}

function kamailio(
  context: PlanContext,
  pbx: PbxSection,
  files: readonly KamailioFile[],
  options: Readonly<Record<string, string | readonly string[]>>,
): readonly Change[] {
  if (isMissing(context, "kamailio")) return [];
  const restarting = files.map(({ path }) => path).filter((path) => path !== EXTENSIONS);
  return [
    ...files.map(({ path, text }) => secret(path, text, "kamailio")),
    switchedOn("kamailio", {
      enabled: "1",
      cfg_file: KAMAILIO_CFG,
      listen: listenOn(pbx),
      ...options,
    }),
    service(
      "kamailio",
      // It has no reload.
      { boot: "enabled", run: "started", onChange: { paths: [...restarting, "/etc/config/kamailio"], act: "restart" } },
      ORIGIN,
    ),
  ];
}

/** Sockets as the init script reads them: it looks up the interfaces' addresses. */
function listenOn({ interface: names }: PbxSection): readonly string[] {
  return names.map((name) => `udp:${name}:5060`);
}

/** It runs as a user of its own, and its file holds no secrets. */
function rtpengine(context: PlanContext, { pbx }: Exchange, relay: Relay): readonly Change[] {
  if (isMissing(context, "rtpengine", "beesip.pbx.media")) return [];
  const sections = [
    makeSection("rtpengine", "global", { enabled: "1" }),
    makeSection("instance", "instance1", { section: SECTION }),
  ];
  return [
    file(RTPENGINE_CONF, renderRtpengine(relay, pbx), { mode: 0o644, origin: FROM_UCI }),
    uci({ mode: "merge", content: { name: "rtpengine", sections } }, "rtpengine", FROM_UCI),
    service(
      "rtpengine",
      {
        boot: "enabled",
        run: "started",
        onChange: { paths: [RTPENGINE_CONF, "/etc/config/rtpengine"], act: "restart" },
      },
      ORIGIN,
    ),
  ];
}

/** Files for a program that is not there would only hold secrets, and belong to a group that is not there either. */
function isMissing(context: PlanContext, name: string, option = "beesip.pbx.role"): boolean {
  if (context.files.stat(`/etc/init.d/${name}`) !== undefined) return false;
  context.finding("warning", "PLAN_INVALID", `${name} is not on this device, so its part is left out until it is`, {
    file: "/etc/config/beesip",
    option,
  });
  return true;
}

function switchedOn(name: string, options: Readonly<Record<string, string | readonly string[]>>): Change {
  const content = { name, sections: [makeSection(name, "general", options)] };
  return uci({ mode: "merge", content }, name, FROM_UCI);
}

const FOLDERS = { tftp: "/etc/beesip/phones", http: "/www/prov" } as const;

function phones(context: PlanContext, exchange: Exchange): readonly Change[] {
  const { provision } = exchange.pbx;
  const files = provision === "none" ? [] : renderPhones(exchange);
  if (provision === "none" || files.length === 0) return [];
  const folder = FOLDERS[provision];
  return [
    // uhttpd serves what everybody may read, and nothing else; dnsmasq reads with its group's rights.
    ...files.map(({ name, text }) => {
      const access =
        provision === "http"
          ? { mode: 0o644 }
          : hasDnsmasq(context)
            ? { mode: 0o640, group: "dnsmasq" }
            : { mode: 0o600 };
      return file(`${folder}/${name}`, text, { ...access, origin: FROM_UCI });
    }),
    ...(provision === "tftp" ? [tftpServer(context, folder)].flat() : []),
    ...(exchange.pbx.dhcp ? dhcpOptions(context, exchange) : []),
  ];
}

function hasDnsmasq(context: PlanContext): boolean {
  return context.uci("dhcp")?.sections.some(({ type }) => type === "dnsmasq") ?? false;
}

/** OpenWrt has one `config dnsmasq` as a rule, without a name. */
function tftpServer(context: PlanContext, folder: string): readonly Change[] {
  if (hasDnsmasq(context)) {
    return [batch(["set dhcp.@dnsmasq[0].enable_tftp='1'", `set dhcp.@dnsmasq[0].tftp_root='${folder}'`])];
  }
  const message = "there is no dnsmasq here: serve the phones' files some other way";
  context.finding("warning", "PLAN_INVALID", message, { file: folder });
  return [];
}

/** Option 66 names a server, 160 the same for phones that look there first. */
function dhcpOptions(context: PlanContext, exchange: Exchange): readonly Change[] {
  const name = exchange.pbx.interface[0] ?? "";
  const pool = context
    .uci("dhcp")
    ?.sections.find((one) => one.type === "dhcp" && optionList(one, "interface").includes(name));
  if (pool?.name === undefined) {
    context.finding(
      "warning",
      "PLAN_INVALID",
      `the device gives no addresses to ${name}: phones need DHCP option 66 from whoever does`,
      {
        file: "/etc/config/beesip",
        option: "beesip.pbx.dhcp",
      },
    );
    return [];
  }
  const uri = provisioningUri(exchange);
  return [batch([66, 160].map((option) => `add_list dhcp.${pool.name}.dhcp_option='${option},${uri}'`))];
}

function batch(lines: readonly string[]): Change {
  return uci({ mode: "batch", content: parseBatch(lines.join("\n")) }, "dhcp", FROM_UCI);
}
