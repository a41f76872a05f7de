import { lstatSync, mkdirSync, mkdtempSync, readlinkSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { devicePath, resolveLinks, showBytes, whyForbidden, whyNotLinkable } from "../../src/paths.ts";

describe("a path of the device", () => {
  test.each([
    "/etc/banner",
    "/a",
    "/etc/with blank",
    "/etc/ü",
    "/etc/...",
    "/etc/.hidden",
    "/etc/-rf",
    "/etc/a\\b",
    `/${"n".repeat(255)}`,
  ])("%s is one, as it stands", (path) => {
    expect(devicePath(path)).toBe(path);
    expect(devicePath(Buffer.from(path))).toBe(path);
  });

  test.each([
    "",
    "/",
    "etc",
    "//etc",
    "/etc/",
    "/etc//x",
    "/./etc",
    "/etc/..",
    "/\n",
    "/a\u007f",
    "/a\u0085",
    `/${"n".repeat(256)}`,
    `/${"é".repeat(128)}`,
    "/a".repeat(513),
    "/\ud800",
  ])("%j is none", (path) => {
    expect(() => devicePath(path)).toThrow(ProvisionError);
  });

  test("bytes are one only if they are UTF-8 in its shortest form", () => {
    for (const bytes of [
      [0x2f, 0xff],
      [0x2f, 0xc0, 0xaf],
      [0x2f, 0xed, 0xa0, 0x80],
    ]) {
      expect(() => devicePath(Uint8Array.from(bytes))).toThrow(ProvisionError);
    }
  });

  test("whatever is accepted has one meaning only", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.constantFrom("..", ".", "", "a", "b c")).map((all) => `/${all.join("/")}`),
        ),
        (text) => {
          let path: string;
          try {
            path = devicePath(text);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(ProvisionError);
            return;
          }
          expect(path).toBe(text);
          expect(join(path)).toBe(path);
        },
      ),
    );
  });

  test("a message shows any bytes in one harmless line", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const shown = showBytes(bytes);
        expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(shown.length).toBeLessThan(900);
      }),
    );
  });
});

describe("forbidden places", () => {
  test.each([
    "/etc/banner",
    "/etc/crontabs/root",
    "/etc/dropbear/authorized_keys",
    "/root/.ssh/authorized_keys",
    "/usr/bin/myprog",
    "/etc/init.d/asterisk",
    "/etc/rc.d/S60asterisk",
    "/www/index.html",
    "/etc/config/network",
    "/lib/firmware/x",
    "/tmpfiles",
    "/etc/bootx",
    "/etc/init.d/bootstrap",
  ])("%s is none", (path) => {
    expect(whyForbidden(path)).toBeUndefined();
  });

  test("case counts, and what only begins like a forbidden name is another", () => {
    expect(whyForbidden("/TMP/x")).toBeUndefined();
    expect(whyForbidden("/proc2/x")).toBeUndefined();
    expect(whyForbidden("/proc")).toBeDefined();
  });

  test("whatever must not be linked to must not be written either", () => {
    const part = fc.constantFrom(
      "etc",
      "uciprov",
      "keys",
      "overlay",
      "proc",
      "self",
      "boot",
      "tmp",
      "rom",
      "uci-defaults",
      "x",
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = `/${parts.join("/")}`;
        if (whyNotLinkable(path) !== undefined) expect(whyForbidden(path)).toBeDefined();
      }),
    );
  });
});

describe("following links", () => {
  const names = fc.constantFrom("a", "b", "c");
  const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
  const relative = fc
    .array(fc.oneof(names, fc.constantFrom("..", ".")), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join("/"));
  const farm = fc.array(fc.tuple(path, fc.oneof(path, relative)), { maxLength: 6 });

  /** As the kernel sees it, asked by realpath(3) in a folder that stands for the root: so only farms without absolute links and climbs. */
  test("is what the kernel does", () => {
    fc.assert(
      fc.property(farm, path, (links, start) => {
        const root = realpathSync(mkdtempSync(join(tmpdir(), "uciprov-links-")));
        try {
          for (const [at, target] of links) plant(root, at, target);
          const read = (one: string): string | undefined => linkAt(join(root, one));
          const ours = resolveLinks(start, (one) => {
            const target = read(one);
            return target?.startsWith(root) ? target.slice(root.length) || "/" : target;
          });
          const theirs = realpath(join(root, start));
          if (theirs === undefined || !`${theirs}/`.startsWith(`${root}/`)) return;
          expect(ours?.path).toBe(theirs.slice(root.length) || "/");
        } finally {
          rmSync(root, { recursive: true });
        }
      }),
      { numRuns: 300 },
    );
  });

  test("ends: circles are known, 40 links are followed and no more", () => {
    expect(resolveLinks("/a", (one) => (one === "/a" ? "/a" : undefined))).toBeUndefined();
    expect(resolveLinks("/a/x", (one) => (one === "/a" ? "b" : one === "/b" ? "a" : undefined))).toBeUndefined();
    const chain = (length: number) =>
      resolveLinks("/0", (one) => (Number(one.slice(1)) < length ? `/${Number(one.slice(1)) + 1}` : undefined));
    expect(chain(40)?.path).toBe("/40");
    expect(chain(41)).toBeUndefined();
  });

  function plant(root: string, at: string, target: string): void {
    try {
      mkdirSync(dirname(join(root, at)), { recursive: true });
      symlinkSync(target.startsWith("/") ? join(root, target) : target, join(root, at));
    } catch {
      // something is there already, or a link on the way leads nowhere: this farm has one link fewer
    }
  }

  function linkAt(at: string): string | undefined {
    try {
      return lstatSync(at).isSymbolicLink() ? readlinkSync(at) : undefined;
    } catch {
      return undefined;
    }
  }

  function realpath(at: string): string | undefined {
    try {
      return realpathSync.native(at);
    } catch {
      return undefined;
    }
  }
});
