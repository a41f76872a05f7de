/** Archives that somebody hostile, or something broken, may publish; each with the code it must be refused with. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { ErrorCode } from "../../src/errors.ts";
import { paxEntry, paxRecord, type TarEntry, tar, tarEntry, tarGz } from "../helpers/tar.ts";

export interface Attack {
  readonly title: string;
  readonly bytes: Uint8Array;
  readonly code: ErrorCode;
}

const honest: TarEntry = { name: "etc/banner", body: "hello\n" };
const unsafe = (title: string, ...parts: (TarEntry | Uint8Array)[]): Attack => ({
  title,
  bytes: tarGz(...parts),
  code: "ARCHIVE_UNSAFE",
});
const invalid = (title: string, bytes: Uint8Array): Attack => ({ title, bytes, code: "ARCHIVE_INVALID" });
const big = (title: string, bytes: Uint8Array): Attack => ({ title, bytes, code: "TOO_LARGE" });

/** Unpacked, an honest archive with something done to it. */
const honestTar = tar(honest, { name: "etc/motd", body: "x".repeat(5000) });
const honestGz = gzipSync(honestTar);

export const ATTACKS: readonly Attack[] = [
  // names that leave the root
  unsafe("a parent folder", { name: "../etc/passwd", body: "x" }),
  unsafe("a parent folder in the middle", { name: "etc/../../etc/passwd", body: "x" }),
  unsafe("a parent folder at the end", { name: "etc/..", body: "x" }),
  unsafe("a parent folder behind ./", { name: "./../etc/passwd", body: "x" }),
  unsafe("an absolute name", { name: "/etc/passwd", body: "x" }),
  unsafe("an absolute name of a folder", { name: "/etc/", type: "5" }),
  unsafe("two slashes in front", { name: "//etc/passwd", body: "x" }),
  unsafe("an absolute name behind ./", { name: ".//etc/passwd", body: "x" }),
  unsafe("an absolute name by the prefix", { name: "passwd", prefix: "/etc", body: "x" }),
  unsafe("a parent folder by the prefix", { name: "passwd", prefix: "..", body: "x" }),
  unsafe("a parent folder by a pax path", paxEntry({ path: "../etc/passwd" }), honest),
  unsafe("an absolute pax path", paxEntry({ path: "/etc/passwd" }), honest),
  unsafe(
    "a parent folder by a GNU long name",
    { name: "././@LongLink", type: "L", body: "../../etc/passwd\0" },
    honest,
  ),

  // names that are read in more than one way
  unsafe("a dot segment", { name: "etc/./passwd", body: "x" }),
  unsafe("an empty segment", { name: "etc//passwd", body: "x" }),
  unsafe("a NUL with more behind it", { name: "etc/passwd\0.txt", body: "x" }),
  unsafe("a NUL in a pax path", paxEntry({ path: "etc/passwd\0.txt" }), honest),
  unsafe("a NUL in a GNU long name", { name: "l", type: "L", body: "etc/passwd\0.txt\0" }, honest),
  unsafe("a newline", { name: "etc/a\nb", body: "x" }),
  unsafe("a newline in a pax path", paxEntry({ path: "etc/a\nb" }), honest),
  unsafe("a terminal's escape", { name: "etc/\u001b[2Jb", body: "x" }),
  unsafe("a C1 control", { name: "etc/\u009b2Jb", body: "x" }),
  unsafe("bytes that are not UTF-8", { name: Buffer.from([0x65, 0x2f, 0xff, 0xfe]), body: "x" }),
  unsafe("overlong UTF-8 for ../", { name: Buffer.from([0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x78]), body: "x" }),
  unsafe("a file whose name ends with a slash", { name: "etc/dir/", body: "x" }),
  unsafe("a file in the root's place", { name: "./", body: "x" }),
  unsafe("a segment of 256 bytes", paxEntry({ path: `etc/${"n".repeat(256)}` }), honest),
  unsafe(
    "a path of 1100 bytes",
    paxEntry({ path: `${"d/".repeat(20)}${`${"n".repeat(200)}/`.repeat(5)}${"n".repeat(60)}` }),
    honest,
  ),
  unsafe("33 folders deep", { name: `${"d/".repeat(33)}f`, body: "x" }),
  unsafe(
    "a pax path that is given twice",
    tarEntry({
      name: "x",
      type: "x",
      body: Buffer.concat([paxRecord("path", "etc/a"), paxRecord("path", "etc/b")]),
    }),
    honest,
  ),
  unsafe("two pax headers that say different names", paxEntry({ path: "etc/a" }), paxEntry({ path: "etc/b" }), honest),
  unsafe("a pax and a GNU name", paxEntry({ path: "etc/a" }), { name: "l", type: "L", body: "etc/b\0" }, honest),
  unsafe("one name for all entries", paxEntry({ path: "etc/shadow" }, "g"), honest),
  unsafe("one size for all entries", paxEntry({ size: "0" }, "g"), honest),
  unsafe(
    "an attribute that a line-wise reader takes for a name",
    paxEntry({ "SCHILY.xattr.user.x": `a\n${paxRecord("path", "etc/shadow").toString()}` }),
    honest,
  ),

  // types
  unsafe("a character device", { name: "dev/mem", type: "3" }),
  unsafe("a block device", { name: "dev/mtdblock0", type: "4" }),
  unsafe("a named pipe", { name: "etc/pipe", type: "6" }),
  unsafe("a contiguous file", { name: "etc/c", type: "7", body: "x" }),
  unsafe("a GNU sparse file", { name: "etc/s", type: "S", magic: "ustar  \0", body: "x" }),
  unsafe("a pax sparse file", paxEntry({ "GNU.sparse.realsize": "1099511627776" }), honest),
  unsafe("a multi-volume piece", { name: "etc/m", type: "M", body: "x" }),
  unsafe("an unknown type", { name: "etc/z", type: "Z", body: "x" }),
  unsafe("a setuid file", { name: "usr/bin/su", mode: 0o4755, body: "x" }),
  unsafe("a setgid file", { name: "usr/bin/wall", mode: 0o2755, body: "x" }),
  unsafe("a sticky file", { name: "usr/bin/t", mode: 0o1755, body: "x" }),
  unsafe("a folder with content", { name: "etc/d/", type: "5", body: "x" }),
  unsafe("a symlink with content", { name: "etc/l", type: "2", link: "banner", body: "x" }),

  // links
  unsafe(
    "a file through a symlink of the archive",
    { name: "etc/l", type: "2", link: "/tmp" },
    { name: "etc/l/x", body: "x" },
  ),
  unsafe(
    "a symlink below which something already lies",
    { name: "etc/l/x", body: "x" },
    { name: "etc/l", type: "2", link: "/tmp" },
  ),
  unsafe(
    "a file in a symlink's place",
    { name: "etc/l", type: "2", link: "/etc/shadow" },
    { name: "etc/l", body: "x" },
  ),
  unsafe("a hard link to a file outside", { name: "etc/h", type: "1", link: "etc/shadow" }),
  unsafe("a hard link to an absolute name", { name: "etc/h", type: "1", link: "/etc/shadow" }),
  unsafe("a hard link to a parent folder", { name: "etc/h", type: "1", link: "../etc/shadow" }),
  unsafe(
    "a hard link to a symlink of the archive",
    { name: "etc/l", type: "2", link: "/etc/shadow" },
    { name: "etc/h", type: "1", link: "etc/l" },
  ),
  unsafe("a hard link through a symlink of the archive", { name: "e", type: "2", link: "etc" }, honest, {
    name: "h",
    type: "1",
    link: "e/banner",
  }),
  unsafe("a hard link to a later file", { name: "etc/h", type: "1", link: "etc/banner" }, honest),
  unsafe("a hard link to a folder", { name: "etc/", type: "5" }, { name: "h", type: "1", link: "etc" }),
  unsafe("a symlink above the root", { name: "etc/l", type: "2", link: "../../x" }),
  unsafe("a symlink that goes up behind a name", { name: "etc/l", type: "2", link: "b/../../x" }),
  unsafe("a symlink with a newline", { name: "etc/l", type: "2", link: "a\nb" }),
  unsafe("a symlink to 1100 bytes", paxEntry({ linkpath: "a/".repeat(550) }), { name: "etc/l", type: "2", link: "a" }),
  unsafe("a symlink to nothing", { name: "etc/l", type: "2" }),

  // entries that clash
  unsafe("a file twice", honest, honest),
  unsafe("a file twice, once with ./", honest, { name: "./etc/banner", body: "y" }),
  unsafe("a file below a file", honest, { name: "etc/banner/x", body: "x" }),
  unsafe("a file in a folder's place", { name: "etc/banner/x", body: "x" }, honest),
  unsafe("a folder in a file's place", honest, { name: "etc/banner/", type: "5" }),
  unsafe("a file and its deletion", honest, { name: "etc/.wh.banner" }),
  unsafe("a deletion of the parent", { name: "etc/.wh..." }),
  unsafe("an opaque folder", { name: "etc/.wh..wh..opq" }),
  unsafe("a deletion without a name", { name: "etc/.wh." }),
  unsafe("a deletion with content", { name: "etc/.wh.banner", body: "x" }),

  // packed bytes where nobody looks for them
  ...[Uint8Array.of(0x1f, 0x8b, 8, 8), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)].flatMap((magic) => {
    const header = { name: Buffer.concat([magic, Buffer.from("a")]), type: "x", body: paxRecord("path", "etc/motd") };
    const title = `an extended header that begins like ${magic[0] === 0x1f ? "a gzip" : "zstd"}`;
    return [
      unsafe(title, header, honest),
      unsafe(`${title}, behind an entry`, honest, header, { name: "etc/other", body: "x" }),
    ];
  }),

  // sizes
  unsafe("a bomb of zeros", { name: "etc/zero", body: Buffer.alloc(8 * 1024 * 1024) }),
  big(
    "a file of 64 GiB that is not there",
    tarGz({
      ...honest,
      patch: (block) => {
        block.write("777777777777", 124, "latin1");
      },
    }),
  ),
  big(
    "a size in base 256",
    tarGz({
      ...honest,
      patch: (block) => {
        block.fill(0, 124, 136);
        block[124] = 0x80;
        block[130] = 0x7f;
      },
    }),
  ),
  big("a size beyond all by pax", tarGz(paxEntry({ size: "999999999999" }), honest)),
  big("a pax header of 1 MB", tarGz(paxEntry({ comment: "c".repeat(1_000_000) }), honest)),
  big("a GNU long name of 1 MB", tarGz({ name: "l", type: "L", body: "n".repeat(1_000_000) }, honest)),
  big("1001 entries", tarGz(...Array.from({ length: 1001 }, (_, at) => ({ name: `etc/${at}` })))),
  big(
    "more than the limit unpacked",
    gzipSync(tar(...Array.from({ length: 9 }, (_, at) => ({ name: `etc/${at}`, body: noise(1_000_000, at) })))),
  ),

  // damage, and what is no archive
  invalid("an empty file", Buffer.alloc(0)),
  invalid("a web page", Buffer.from("<!DOCTYPE html><title>Log in</title>")),
  invalid("a packed web page", gzipSync("<!DOCTYPE html><title>Log in</title>")),
  invalid("noise", noise(4096, 99)),
  invalid("packed noise", gzipSync(noise(4096, 98))),
  invalid("a zip file", Buffer.from("PK\u0003\u0004rest")),
  invalid("an xz file", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00])),
  invalid("a brotli file", brotliCompressSync(honestTar)),
  invalid("a gzip in a gzip", gzipSync(honestGz)),
  invalid("a gzip cut in its middle", honestGz.subarray(0, honestGz.length / 2)),
  invalid("a gzip without its checksum", honestGz.subarray(0, -4)),
  invalid(
    "a gzip with a flipped bit",
    Buffer.from(honestGz.map((byte, at) => (at === honestGz.length - 6 ? byte ^ 1 : byte))),
  ),
  invalid("bytes behind the gzip", Buffer.concat([honestGz, Buffer.from("and more")])),
  invalid("a megabyte behind the gzip", Buffer.concat([honestGz, Buffer.alloc(1_000_000)])),
  invalid("a second gzip with another archive", Buffer.concat([honestGz, tarGz({ name: "etc/shadow", body: "x" })])),
  invalid("a tar cut in a body", gzipSync(honestTar.subarray(0, 2000))),
  invalid("a tar cut in a header", gzipSync(honestTar.subarray(0, 1100))),
  invalid("a tar without an end", gzipSync(honestTar.subarray(0, -1024))),
  invalid("a tar with half an end", gzipSync(honestTar.subarray(0, -512))),
  invalid("an entry behind the end", gzipSync(Buffer.concat([honestTar, tarEntry({ name: "etc/shadow", body: "x" })]))),
  invalid(
    "an entry behind half an end",
    gzipSync(Buffer.concat([honestTar.subarray(0, -512), tar({ name: "etc/shadow" })])),
  ),
  invalid("a wrong checksum", tarGz({ ...honest, checksum: 1 })),
  invalid("a checksum that is no number", tarGz({ ...honest, checksum: Number.NaN })),
  invalid("no ustar magic", tarGz({ ...honest, magic: "" })),
  invalid("no name", tarGz({ name: "", body: "x" })),
  invalid(
    "a mode that is no number",
    tarGz({
      ...honest,
      patch: (block) => {
        block.write("rwxr-xr", 100, "latin1");
      },
    }),
  ),
  invalid(
    "a negative size",
    tarGz({
      ...honest,
      patch: (block) => {
        block.write("-1         ", 124, "latin1");
      },
    }),
  ),
  invalid("a negative pax size", tarGz(paxEntry({ size: "-1" }), honest)),
  invalid("a pax size in hexadecimal", tarGz(paxEntry({ size: "0x10" }), honest)),
  invalid("a pax record with a wrong length", tarGz({ name: "x", type: "x", body: "99 path=etc/a\n" }, honest)),
  invalid("a pax record without a key", tarGz({ name: "x", type: "x", body: "5 =a\n" }, honest)),
  invalid("an empty pax header", tarGz({ name: "x", type: "x" }, honest)),
  invalid("a pax header without an entry", tarGz(honest, paxEntry({ path: "etc/a" }))),
];

/** Bytes that do not pack, the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}
