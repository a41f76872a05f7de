import { uriText } from "./_text.ts";

/** What one DHCP exchange on one interface said, as the drop-ins recorded it: variable → raw bytes. */
export type LeaseRecord = ReadonlyMap<string, Uint8Array>;

/** A URI, and the option that carried it. */
export interface OptionUri {
  readonly uri: string;
  readonly option: string;
}

/** URIs in one list of option 143 or 136; more is noise. */
const MAX_URIS = 16;

/** Reads a record: `NAME=VALUE`, each ended by a zero byte. A variable without a value counts as absent. */
export function readLease(bytes: Uint8Array): LeaseRecord {
  const record = new Map<string, Uint8Array>();
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    const entry = bytes.subarray(start, end);
    const equals = entry.indexOf(0x3d);
    if (equals > 0 && equals + 1 < entry.length) {
      record.set(Buffer.from(entry.subarray(0, equals)).toString("latin1"), entry.subarray(equals + 1));
    }
    start = end + 1;
  }
  return record;
}

/**
 * The URI a lease names: DHCPv6 136, 59; DHCPv4 224, 143, 67 and 66, 43, in this order, the most specific first. Options that hold something
 * else (a boot loader's file, another system's host) are passed over: their numbers belong to nobody alone.
 */
export function leaseUri(lease: LeaseRecord): OptionUri | undefined {
  const readers: readonly (readonly [option: string, read: () => string | undefined])[] = [
    ["DHCPv6 option 136", () => listUri(hexBytes(lease.get("OPTION_136")))],
    ["DHCPv6 option 59", () => bytesUri(hexBytes(lease.get("OPTION_59")))],
    ["option 224", () => bytesUri(hexBytes(lease.get("opt224")))],
    ["option 143", () => listUri(hexBytes(lease.get("opt143")))],
    ["option 67", () => bytesUri(lease.get("bootfile")) ?? bytesUri(lease.get("boot_file"))],
    ["option 66", () => serverUri(lease.get("tftp"), lease.get("bootfile") ?? lease.get("boot_file"))],
    ["option 43", () => vendorUri(hexBytes(lease.get("opt43")))],
  ];
  for (const [option, read] of readers) {
    const uri = read();
    if (uri !== undefined) return { uri, option };
  }
  return undefined;
}

/** udhcpc and odhcp6c hand on options they have no name for as hex without separators. */
function hexBytes(value: Uint8Array | undefined): Uint8Array | undefined {
  const text = value && Buffer.from(value).toString("latin1");
  return text !== undefined && text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text)
    ? Buffer.from(text, "hex")
    : undefined;
}

function bytesUri(bytes: Uint8Array | undefined): string | undefined {
  return bytes && uriText(bytes);
}

/** RFC 8572 §8.3: each URI after its length in two bytes. Careless servers send the bare text. */
function listUri(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes) return undefined;
  const uris: string[] = [];
  let at = 0;
  for (let count = 0; at + 2 <= bytes.length && count < MAX_URIS; count++) {
    const end = at + 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    // What does not add up is no list, and its first pieces mean nothing.
    if (end > bytes.length) return uriText(bytes);
    const uri = uriText(bytes.subarray(at + 2, end));
    if (uri !== undefined) uris.push(uri);
    at = end;
  }
  return uris[0] ?? uriText(bytes);
}

/** A server that is a URI, and the path below it that the boot file names, if it is a plain one. */
function serverUri(server: Uint8Array | undefined, file: Uint8Array | undefined): string | undefined {
  const base = bytesUri(server);
  if (base === undefined || file === undefined || /[?#{]/.test(base)) return base;
  const path = Buffer.from(file).toString("latin1").replace(/\0+$/, "");
  const segments = path.split("/").filter((segment) => segment !== "");
  const isPlain = segments.every((segment) => /^[A-Za-z0-9._~-]+$/.test(segment) && !/^\.+$/.test(segment));
  return isPlain ? [base.replace(/\/+$/, ""), ...segments].join("/") : base;
}

/** RFC 2132 §8.4: code, length, value; 0 pads, 255 ends. Careless servers send the bare text. The first that is a URI counts. */
function vendorUri(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes) return undefined;
  const whole = uriText(bytes);
  if (whole !== undefined) return whole;
  let at = 0;
  while (at < bytes.length && bytes[at] !== 255) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (end > bytes.length) return undefined;
    const uri = uriText(bytes.subarray(at + 2, end));
    if (uri !== undefined) return uri;
    at = end;
  }
  return undefined;
}
