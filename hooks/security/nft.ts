/**
 * The kernel guard: a table of our own, so that the firewall's reloads leave it alone. It needs no process; `/etc/init.d/beesip-guard` loads it and keeps the
 * bans that are in it, `uciprov guard` adds some. (netfilter.org: nft(8))
 */
import { isIPv4 } from "node:net";
import { ProvisionError } from "../../src/api.ts";
import { faultOfNetwork } from "../_checks.ts";
import type { Defence } from "./defence.ts";

export const RULES = "/etc/beesip/guard.nft";
export const TABLE = "beesip";

/** Sources that are remembered at once. The meters forget after seconds: longer than any burst lasts, not long enough to fill up. */
const MOST = 16_384;
const METER_SECONDS = 60;
/** How long a source that would have been banned can be looked up where nobody is. */
const SEEN_SECONDS = 3600;

export function renderRules({ section, ports, gateways }: Defence): string {
  const isBanning = section.ban_time > 0;
  const friends = [...new Set([...section.allow, ...gateways])];
  const mask = section.prefix6 === "64" ? " & ffff:ffff:ffff:ffff::" : "";
  const families = [
    { nfproto: "ipv4", type: "ipv4_addr", digit: 4, plain: "ip saddr", source: "ip saddr" },
    { nfproto: "ipv6", type: "ipv6_addr", digit: 6, plain: "ip6 saddr", source: `ip6 saddr${mask}` },
  ] as const;
  const drops = families.flatMap(({ digit, plain, source }) =>
    [...new Set([plain, source])].map((what) => `${what} @ban${digit} counter name dropped drop`),
  );
  return [
    "# Made by uciprov from /etc/config/beesip; changes here are lost. Loaded by /etc/init.d/beesip-guard.",
    `table inet ${TABLE}`,
    `delete table inet ${TABLE}`,
    `table inet ${TABLE} {`,
    ...families.flatMap(({ digit, type }) => [
      ...set(
        `allow${digit}`,
        type,
        ["flags interval", "auto-merge"],
        friends.filter((one) => isFour(one) === (digit === 4)),
      ),
      ...set(`ban${digit}`, type, ["flags dynamic, timeout", `size ${MOST}`, "counter"]),
      ...set(`seen${digit}`, type, ["flags dynamic, timeout", `timeout ${SEEN_SECONDS}s`, `size ${MOST}`]),
      ...set(`rate${digit}`, type, ["flags dynamic, timeout", `timeout ${METER_SECONDS}s`, `size ${MOST}`]),
    ]),
    "	# Packets of banned sources, and those that got one banned.",
    "	counter dropped { }",
    "	counter metered { }",
    "	chain sip {",
    ...(isBanning && section.scope === "sip" ? drops.map((rule) => `		${rule}`) : []),
    "		# Whoever sends in our own name.",
    "		fib saddr type local accept",
    ...(section.kernel_rate === 0
      ? []
      : families.map(({ nfproto, digit, source }) => {
          const over = `limit rate over ${whole(section.kernel_rate)}/second burst ${whole(section.kernel_burst)} packets`;
          const meter = `meta nfproto ${nfproto} update @rate${digit} { ${source} ${over} }`;
          return isBanning
            ? `		${meter} add @ban${digit} { ${source} timeout ${whole(section.ban_time)}s } counter name metered drop`
            : `		${meter} update @seen${digit} { ${source} } counter name metered`;
        })),
    "	}",
    "	chain prerouting {",
    "		type filter hook prerouting priority raw; policy accept;",
    '		iifname "lo" accept',
    "		ip saddr @allow4 accept",
    "		ip6 saddr @allow6 accept",
    ...(isBanning && section.scope === "all" ? drops.map((rule) => `		${rule}`) : []),
    `		meta l4proto { tcp, udp } th dport { ${ports.map(whole).join(", ")} } goto sip`,
    "	}",
    "}",
    "",
  ].join("\n");
}

function set(name: string, type: string, properties: readonly string[], elements: readonly string[] = []): string[] {
  return [
    `	set ${name} {`,
    `		type ${type}`,
    ...properties.map((one) => `		${one}`),
    ...(elements.length === 0 ? [] : [`		elements = { ${elements.map(network).join(", ")} }`]),
    "	}",
  ];
}

function isFour(source: string): boolean {
  return isIPv4(source.split("/")[0] ?? "");
}

/** What is placed in the rules is a whole number or an address, checked here once more. */
function network(text: string): string {
  if (faultOfNetwork(text) !== undefined) throw unfit(JSON.stringify(text));
  return text;
}

function whole(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw unfit(String(value));
  return String(value);
}

function unfit(what: string): ProvisionError {
  return new ProvisionError("PLAN_INVALID", `nftables' rules cannot hold ${what}`);
}
