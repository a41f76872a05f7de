import { gzipSync } from "node:zlib";
import type { BackupFile } from "./backup-files.ts";

/** A tar archive of these files, gzipped; the same bytes for the same files. POSIX ustar, and pax headers for what does not fit into it. */
export function packOverlay(files: readonly BackupFile[]): Uint8Array {
  const blocks = files.toSorted((a, b) => (a.path < b.path ? -1 : 1)).flatMap(entryOf);
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 9 });
}

const FIELD = 100;

function entryOf(file: BackupFile): Uint8Array[] {
  const name = file.path.slice(1);
  const link = file.kind === "symlink" ? file.target : "";
  const records = [
    ...(fits(name) ? [] : [paxRecord("path", name)]),
    ...(fits(link) ? [] : [paxRecord("linkpath", link)]),
  ];
  const body = file.kind === "file" ? file.bytes : new Uint8Array();
  const mode = file.kind === "file" ? file.mode : 0o777;
  return [
    ...(records.length === 0
      ? []
      : block({ name: "PaxHeaders/entry", link: "", mode: 0o644, type: "x" }, Buffer.concat(records))),
    ...block({ name, link, mode, type: file.kind === "file" ? "0" : "2" }, body),
  ];
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= FIELD && /^[\x20-\x7e]*$/.test(text);
}

/** `LENGTH KEY=VALUE\n`, its length including itself. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

interface Header {
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly type: string;
}

function block({ name, link, mode, type }: Header, body: Uint8Array): Uint8Array[] {
  const head = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number): void =>
    void head.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  Buffer.from(name).subarray(0, FIELD).copy(head, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(body.length, 124, 12);
  octal(0, 136, 12);
  head.write(type, 156, "latin1");
  Buffer.from(link).subarray(0, FIELD).copy(head, 157);
  head.write("ustar\u000000", 257, "latin1");
  head.write("        ", 148, "latin1");
  const sum = head.reduce((all, byte) => all + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
}
