/** A tar writer that writes whatever it is told, right or wrong: attacks need archives that no honest packer makes. */
import { gzipSync } from "node:zlib";

export interface TarEntry {
  readonly name: string | Uint8Array;
  /** The type flag; "0" if not given. */
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly mode?: number;
  readonly link?: string | Uint8Array;
  /** What the header says, if not the body's length. */
  readonly size?: number;
  readonly prefix?: string;
  /** "ustar\u000000" (POSIX) if not given. */
  readonly magic?: string;
  /** Last touches to the header block; the checksum is made afterwards, unless `checksum` is given. */
  readonly patch?: (block: Buffer) => void;
  readonly checksum?: number;
}

/** One entry: header, body, padding. */
export function tarEntry(entry: TarEntry): Buffer {
  const body = Buffer.from(entry.body ?? "");
  return Buffer.concat([tarHeader(entry, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** Entries and the end mark. */
export function tar(...parts: readonly (TarEntry | Uint8Array)[]): Buffer {
  return Buffer.concat([
    ...parts.map((part) => (part instanceof Uint8Array ? part : tarEntry(part))),
    Buffer.alloc(1024),
  ]);
}

export function tarGz(...parts: readonly (TarEntry | Uint8Array)[]): Buffer {
  return gzipSync(tar(...parts));
}

/** A pax header of these records for the entry after it. */
export function paxEntry(records: Readonly<Record<string, string | Uint8Array>>, type = "x"): Buffer {
  const body = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
  return tarEntry({ name: "PaxHeaders/x", type, body });
}

export function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function tarHeader(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  block.write(octal(entry.mode ?? (entry.type === "5" ? 0o755 : 0o644), 8), 100, "latin1");
  block.write(octal(0, 8), 108, "latin1");
  block.write(octal(0, 8), 116, "latin1");
  block.write(octal(entry.size ?? size, 12), 124, "latin1");
  block.write(octal(0, 12), 136, "latin1");
  block.write(entry.type ?? "0", 156, "latin1");
  Buffer.from(entry.link ?? "").copy(block, 157, 0, 100);
  block.write(entry.magic ?? "ustar\u000000", 257, "latin1");
  block.write(entry.prefix ?? "", 345, "utf8");
  entry.patch?.(block);
  block.write("        ", 148, "latin1");
  const sum = entry.checksum ?? block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}
