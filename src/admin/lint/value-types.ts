import { isIPv4, isIPv6 } from "node:net";

/**
 * Whether a value is of a type as the schema names it: undefined, or what it is not, as the rest of a sentence. Types: `bool`, `int`, `uint [A..B]`,
 * `ip ip4 ip6`, `net net4 net6` (with or without a length), `mask4`, `mac`, `port`, `portrange`, `host`, `one WORD…`, `text`; behind ` or ` stand words
 * that are right as well. A leading `list ` is the caller's.
 */
export function valueFault(type: string, value: string): string | undefined {
  const [kind = "", ...also] = type.split(" or ");
  if (also.includes(value)) return undefined;
  const [name = "", ...words] = kind.split(" ");
  const test = TESTS[name];
  if (test === undefined || test.holds(value, words)) return undefined;
  const known = [...(name === "one" ? [words.join(", ")] : [test.told(words)]), ...also];
  return `${name === "one" ? "none of " : "not "}${known.join(" or ")}`;
}

/** The type of each item of a list, and whether a list is right at all. */
export function itemType(type: string): { readonly item: string; readonly isList: boolean } {
  return type.startsWith("list ") ? { item: type.slice(5), isList: true } : { item: type, isList: false };
}

interface Test {
  holds(value: string, words: readonly string[]): boolean;
  told(words: readonly string[]): string;
}

const simple = (told: string, holds: (value: string) => boolean): Test => ({ holds, told: () => told });

const TESTS: Readonly<Record<string, Test | undefined>> = {
  // Every word that one of OpenWrt's readers takes: get_bool of functions.sh, libubox blobmsg, fw4.
  bool: simple("0 or 1", (value) => /^(?:0|1|on|off|true|false|yes|no|enabled|disabled)$/i.test(value)),
  int: simple("a number", (value) => /^[+-]?[0-9]{1,10}$/.test(value)),
  uint: {
    holds(value, [range]) {
      if (!/^(?:[0-9]{1,10}|0x[0-9a-fA-F]{1,8})$/.test(value)) return false;
      const [least = 0, most = 4_294_967_295] = range?.split("..").map(Number) ?? [];
      return Number(value) >= least && Number(value) <= most;
    },
    told: ([range]) =>
      range === undefined ? "a number without a sign" : `a number from ${range.replace("..", " to ")}`,
  },
  ip: simple("an IP address", (value) => isIPv4(value) || isIPv6(value)),
  ip4: simple("an IPv4 address", isIPv4),
  ip6: simple("an IPv6 address", isIPv6),
  net: simple("an IP address or network", (value) => isNetwork(value, 4) || isNetwork(value, 6)),
  net4: simple("an IPv4 address or network", (value) => isNetwork(value, 4)),
  net6: simple("an IPv6 address or network", (value) => isNetwork(value, 6)),
  mask4: simple("an IPv4 netmask", (value) => /^(?:[0-9]|[12][0-9]|3[0-2])$/.test(value) || isMask(value)),
  mac: simple("a MAC address", (value) =>
    /^!?\s*[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}(?:\/[0-9a-f:-]+)?$/i.test(value),
  ),
  port: simple("a port from 0 to 65535", (value) => isPort(value)),
  portrange: simple("a port or a range of ports", (value) => {
    const [first = "", last] = value.replace(/^!\s*/, "").split(/[-:]/);
    return isPort(first) && (last === undefined || (isPort(last) && Number(first) <= Number(last)));
  }),
  host: simple("a host's name or address", (value) => isIPv6(value) || /^[A-Za-z0-9_.-]{1,253}$/.test(value)),
  one: {
    holds: (value, words) => words.some((word) => word.toLowerCase() === value.toLowerCase()),
    told: (words) => words.join(", "),
  },
};

function isPort(value: string): boolean {
  return /^[0-9]{1,5}$/.test(value) && Number(value) <= 65_535;
}

function isNetwork(value: string, family: 4 | 6): boolean {
  const [address = "", length, ...more] = value.split("/");
  if (more.length > 0 || !(family === 4 ? isIPv4(address) : isIPv6(address))) return false;
  if (length === undefined) return true;
  if (/^[0-9]{1,3}$/.test(length)) return Number(length) <= (family === 4 ? 32 : 128);
  return family === 4 && isMask(length);
}

function isMask(value: string): boolean {
  if (!isIPv4(value)) return false;
  const bits = value
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return /^1*0*$/.test(bits);
}
