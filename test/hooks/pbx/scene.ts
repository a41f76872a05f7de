/** Exchanges as texts of /etc/config/beesip, and what the module makes of them. */
import pbx from "../../../hooks/pbx/index.ts";
import type { Change } from "../../../src/api.ts";
import { planScene, type Scene } from "../../helpers/plan-context.ts";

export const PROGRAMS = {
  "/etc/init.d/asterisk": "#!/bin/sh\n",
  "/etc/init.d/kamailio": "#!/bin/sh\n",
  "/usr/lib/kamailio/modules/db_text.so": "ELF",
};
const DHCP = "config dnsmasq\n\nconfig dhcp 'lan'\n\toption interface 'lan'\n";

const value = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
export const section = (
  type: string,
  options: Readonly<Record<string, string | readonly string[]>>,
  name = "",
): string =>
  [
    `config ${type} ${name}`,
    ...Object.entries(options).flatMap(([key, given]) =>
      typeof given === "string"
        ? [`\toption ${key} ${value(given)}`]
        : given.map((one) => `\tlist ${key} ${value(one)}`),
    ),
    "",
  ].join("\n");
export const exchange = (
  options: Readonly<Record<string, string | readonly string[]>>,
  ...more: readonly string[]
): string =>
  [
    section(
      "pbx",
      {
        enabled: "1",
        address: "192.0.2.50",
        domain: "pbx.example",
        country_code: "420",
        area_code: "596321",
        ...options,
      },
      "pbx",
    ),
    ...more,
  ].join("\n");
export const SMALL = exchange({}, section("extension", { number: "101", secret: "one" }));

export const scene = (beesip: string, more: Partial<Scene> = {}) =>
  planScene({ module: "pbx", uci: { beesip, dhcp: DHCP }, device: PROGRAMS, isSmall: true, ...more });

export async function plan(beesip: string, more: Partial<Scene> = {}) {
  const { context, findings } = scene(beesip, more);
  const changes = (await pbx.plan?.(context)) ?? [];
  const files = new Map(
    changes.flatMap((change) => (change.kind === "file" ? [[change.path, textOf(change)] as const] : [])),
  );
  return {
    changes,
    files,
    findings,
    told: findings.map(({ severity, message, place }) => `${severity} ${place?.option ?? place?.file}: ${message}`),
  };
}

function textOf(change: Change): string {
  return change.kind === "file" && change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : "";
}
