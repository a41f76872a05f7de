import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  createReadStream,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type ArchivedEntry, copyArchived, readArchive } from "../../src/tree/archive.ts";

/** Packers people use, as they are on a Linux machine; each with the arguments before the archive's name. */
const PACKERS = [
  { title: "GNU tar, its default format", command: "tar", args: ["-czf"] },
  { title: "GNU tar --format=gnu", command: "tar", args: ["--format=gnu", "-czf"] },
  { title: "GNU tar --format=posix", command: "tar", args: ["--format=posix", "-czf"] },
  { title: "GNU tar, not packed", command: "tar", args: ["--format=posix", "-cf"] },
  { title: "busybox tar", command: "busybox", args: ["tar", "-czf"] },
] as const;

const LIMITS = { unpacked: 50_000_000, file: 50_000_000, entries: 20_000, depth: 32, ratio: 200 };
const scratch = mkdtempSync(join(tmpdir(), "uciprov-tar-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Thing = { body: Buffer; mode: number } | { target: string } | { sameAs: string };
type Tree = Readonly<Record<string, Thing>>;

const segment = fc
  .oneof(
    fc.stringMatching(/^[a-z0-9][a-z0-9 ._'"$()\\-]{0,20}$/),
    fc.constantFrom("-rf", ".hidden", "übung", "$(reboot)", "new line".replace(" ", "\u00a0"), "n".repeat(120)),
  )
  .filter((name) => !name.startsWith(".wh.") && name !== "." && name !== "..");
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
const thing: fc.Arbitrary<Thing> = fc.oneof(
  fc.record({
    body: fc
      .oneof(
        fc.uint8Array({ maxLength: 3000 }),
        fc.nat(3).map((times) => new Uint8Array(times * 512)),
      )
      .map(Buffer.from),
    mode: fc.constantFrom(0o644, 0o600, 0o755, 0o400),
  }),
  fc.record({ target: fc.constantFrom("/tmp/resolv.conf", "banner", "../x", "t".repeat(110)) }),
);

/** Trees in which no path lies below a file or a link, one file has a second name, and links that climb have where to. */
const tree: fc.Arbitrary<Tree> = fc.array(fc.tuple(path, thing), { minLength: 1, maxLength: 12 }).map((pairs) => {
  const all = new Map<string, Thing>();
  for (const [given, what] of pairs) {
    const name = "target" in what && what.target.startsWith("..") ? `deep/${given}` : given;
    const isClash = (one: string): boolean => one === name || one.startsWith(`${name}/`) || name.startsWith(`${one}/`);
    if (![...all.keys()].some(isClash)) all.set(name, what);
  }
  const file = [...all].find(([, what]) => "body" in what)?.[0];
  if (file !== undefined && !all.has("zz-second-name")) all.set("zz-second-name", { sameAs: file });
  return Object.fromEntries(all);
});

function plant(root: string, things: Tree): void {
  for (const [name, what] of Object.entries(things)) {
    const at = join(root, name);
    mkdirSync(dirname(at), { recursive: true });
    if ("target" in what) symlinkSync(what.target, at);
    else if ("sameAs" in what) linkSync(join(root, what.sameAs), at);
    else {
      writeFileSync(at, what.body);
      chmodSync(at, what.mode);
    }
  }
}

/** What the archive must be told to hold: path to content or target. */
function expected(things: Tree): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(things).map(([name, what]) => {
      const source = "sameAs" in what ? things[what.sameAs] : what;
      if (source === undefined || "sameAs" in source)
        throw new Error("a tree of this test names a file that is not there");
      if ("target" in source) return [`/${name}`, { target: source.target }];
      const sha256 = createHash("sha256").update(source.body).digest("hex");
      return [`/${name}`, { mode: source.mode, size: source.body.length, sha256 }];
    }),
  );
}

async function told(archive: string): Promise<{ things: Record<string, unknown>; entries: ArchivedEntry[] }> {
  const entries: ArchivedEntry[] = [];
  await readArchive(createReadStream(archive), LIMITS, (entry) => entries.push(entry));
  const things: Record<string, unknown> = {};
  for (const entry of entries) {
    if (entry.kind === "file") things[entry.path] = { mode: entry.mode, size: entry.size, sha256: entry.sha256 };
    if (entry.kind === "symlink") things[entry.path] = { target: entry.target };
  }
  return { things, entries };
}

describe.each(PACKERS)("$title", ({ command, args }) => {
  const isThere = spawnSync(command, ["--help"]).status === 0;
  if (!isThere && process.env["UCIPROV_REQUIRE_REAL"] === "1") throw new Error(`${command} is not installed`);

  test.skipIf(!isThere)(
    "an honest tree is told as exactly its files, and copied byte for byte",
    { timeout: 60_000 },
    async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(tree, async (things) => {
          const root = join(scratch, `${command}-${args.length}-${args[0]}-${run++}`);
          mkdirSync(root);
          plant(root, things);
          const archive = `${root}.tar`;
          execFileSync(command, [...args, archive, "-C", root, "."]);
          const { things: found, entries } = await told(archive);
          expect(found).toEqual(expected(things));
          await checkCopy(archive, entries);
          rmSync(root, { recursive: true });
          rmSync(archive);
        }),
        { numRuns: 25 },
      );
    },
  );
});

async function checkCopy(archive: string, entries: readonly ArchivedEntry[]): Promise<void> {
  const copies = new Map<
    number,
    { expected: string; chunks: Uint8Array[]; write(chunk: Uint8Array): void; finish(): void }
  >();
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    const chunks: Uint8Array[] = [];
    const write = (chunk: Uint8Array): void => void chunks.push(Uint8Array.from(chunk));
    copies.set(entry.index, { expected: entry.sha256, chunks, write, finish: () => undefined });
  }
  await copyArchived(createReadStream(archive), LIMITS, copies);
  for (const { expected: sha256, chunks } of copies.values()) {
    expect(createHash("sha256").update(Buffer.concat(chunks)).digest("hex")).toBe(sha256);
  }
}
