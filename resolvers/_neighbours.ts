import { plainText, uriText } from "./_text.ts";

/** A neighbour on one of the device's ports, as lldpd heard it. */
export interface Neighbour {
  readonly device: string;
  /** URIs in TLVs of the organisation, or else in its system description. */
  readonly uris: readonly string[];
  readonly macros: Readonly<Record<string, string>>;
}

/** Which TLV holds the URI: organisation (six lower-case hex digits) and subtype. */
export interface TlvKind {
  readonly oui: string;
  readonly subtype: number;
}

const MAX_NEIGHBOURS = 64;
const MAX_TLVS = 64;
const MAX_VALUE = 255;

/**
 * Neighbours in the output of `lldpcli -f json0`, which alone keeps their words apart from its own structure: in `json` a system's name
 * becomes a key, unescaped before lldpd 1.0.22. Only what was heard by LLDP counts. SyntaxError if it is no JSON.
 */
export function readNeighbours(json: string, tlv: TlvKind): Neighbour[] {
  const root: unknown = JSON.parse(json);
  return items(root, "lldp")
    .flatMap((one) => items(one, "interface"))
    .filter((one) => text(one, "via") === "LLDP")
    .slice(0, MAX_NEIGHBOURS)
    .flatMap((one) => {
      const device = text(one, "name");
      return device === undefined ? [] : [readNeighbour(device, one, tlv)];
    });
}

function readNeighbour(device: string, one: unknown, tlv: TlvKind): Neighbour {
  const taught = items(one, "unknown-tlvs")
    .flatMap((list) => items(list, "unknown-tlv"))
    .slice(0, MAX_TLVS)
    .filter((found) => isOf(found, tlv))
    .flatMap((found) => uriText(commaHex(text(found, "value") ?? "")) ?? []);
  const [chassis] = items(one, "chassis");
  const [port] = items(one, "port");
  const uris = taught.length > 0 ? taught : describedUris(value(chassis, "descr") ?? "");
  return {
    device,
    uris: [...new Set(uris)],
    macros: {
      ...macro("lldp_interface", device),
      ...macro("lldp_system", value(chassis, "name")),
      ...macro("lldp_chassis", value(chassis, "id")),
      ...macro("lldp_port", value(port, "id")),
    },
  };
}

function isOf(found: unknown, tlv: TlvKind): boolean {
  const oui = (text(found, "oui") ?? "").replaceAll(",", "").toLowerCase();
  return oui === tlv.oui && text(found, "subtype") === String(tlv.subtype);
}

/** lldpcli writes bytes as `68,74,…`; anything else is no value. */
function commaHex(value: string): Uint8Array {
  return /^[0-9A-Fa-f]{2}(?:,[0-9A-Fa-f]{2})*$/.test(value)
    ? Buffer.from(value.replaceAll(",", ""), "hex")
    : Buffer.of();
}

function describedUris(description: string): string[] {
  return Array.from(description.matchAll(/(?:^|\s)provuri=(\S+)/g)).flatMap(
    ([, uri = ""]) => uriText(Buffer.from(uri)) ?? [],
  );
}

function macro(name: string, value: string | undefined): Record<string, string> {
  const bytes = Buffer.from(value ?? "");
  const plain = bytes.length <= MAX_VALUE ? plainText(bytes) : undefined;
  return plain ? { [name]: plain } : {};
}

/** The list under a key; whatever else stands there is an empty one. */
function items(from: unknown, key: string): unknown[] {
  const list = field(from, key);
  return Array.isArray(list) ? list : [];
}

/** The `value` of the first thing in the list under a key. */
function value(from: unknown, key: string): string | undefined {
  return text(items(from, key)[0], "value");
}

function text(from: unknown, key: string): string | undefined {
  const found = field(from, key);
  return typeof found === "string" ? found : undefined;
}

function field(from: unknown, key: string): unknown {
  return typeof from === "object" && from !== null && Object.hasOwn(from, key) ? Reflect.get(from, key) : undefined;
}
