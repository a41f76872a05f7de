import { gzipSync } from "node:zlib";

/**
 * A package for opkg: a gzipped tar of three members (openwrt/openwrt: scripts/ipkg-build). `entries` have absolute paths, folders no `bytes`; `script`
 * makes the script that calls the device's own, which calls what `own` says.
 */
export function ipk({ name, version, description, depends, license, section, own, entries, date, script }) {
  const sizes = entries.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
  const control = {
    Package: name,
    Version: version,
    Depends: depends.join(", "),
    License: license,
    Section: section,
    Architecture: "all",
    "Installed-Size": sizes,
    SourceDateEpoch: date,
    Description: description,
  };
  const fields = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
  const scripts = ["postinst", "prerm"].flatMap((what) => [
    text(`/${what}`, 0o755, script(what)),
    text(`/${what}-pkg`, 0o755, own[what]),
  ]);
  const meta = [text("/control", 0o644, fields.join("")), text("/conffiles", 0o644, own.conffiles), ...scripts];
  const members = [
    text("/debian-binary", 0o644, "2.0\n"),
    { path: "/data.tar.gz", mode: 0o644, bytes: zip(tar(entries, date)) },
    {
      path: "/control.tar.gz",
      mode: 0o644,
      bytes: zip(tar([{ path: "/", mode: 0o755 }, ...meta.filter(({ bytes }) => bytes.length > 0)], date)),
    },
  ];
  return zip(tar(members, date));
}

function text(path, mode, words) {
  return { path, mode, bytes: Buffer.from(words) };
}

/** Of root, of one date, in the order given: POSIX ustar, which busybox and opkg read. */
function tar(entries, date) {
  const blocks = entries.flatMap(({ path, mode, bytes }) => {
    const name = bytes === undefined && path !== "/" ? `.${path}/` : `.${path}`;
    const body = bytes ?? Buffer.alloc(0);
    return [header(name, mode, body.length, date), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(path, mode, size, date) {
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for this archive`);
  const block = Buffer.alloc(512);
  const octal = (value, length) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  block.write(path, 0);
  block.write(octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(date, 12), 100);
  block.write(" ".repeat(8), 148);
  block.write(path.endsWith("/") ? "5" : "0", 156);
  block.write("ustar\x0000", 257);
  block.write("root", 265);
  block.write("root", 297);
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    )} `,
    148,
  );
  return block;
}

/** Neither a date nor a name is in it. */
function zip(bytes) {
  return gzipSync(bytes, { level: 9 });
}
