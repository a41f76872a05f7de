import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDisk } from "../../src/host/disk.ts";
import { bundle } from "../transaction/bundle.ts";
import { type Both, bothTrees, judge, promisedBy, recovering } from "../transaction/lives.ts";
import { randomFrom } from "../transaction/random.ts";
import { hasAsh, recoverSh, recoverShAtBoot } from "../transaction/recover-shell.ts";
import { life, plantOld } from "../transaction/specimen.ts";
import { type BlockWrite, mediumWith, missingForBlockLog, recordWrites, withMounted } from "./block-log.ts";

const missing = missingForBlockLog();
const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
if (missing !== undefined && !isRequired) console.warn(`skipped: power cuts on a block device need ${missing}`);

const OPTIONS = "rw,noatime";
const SUBSETS = Number(process.env["UCIPROV_SUBSETS"] ?? 220);

let both: Both;
let subject: string;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-power-"));
  both = await bothTrees();
  subject = await bundle("subject");
});
afterAll(() => {
  rmSync(dirname(subject), { recursive: true });
  rmSync(folder, { recursive: true });
});

/** The writes that surely reached the medium by a moment, and those that may have. */
interface Moment {
  readonly sure: readonly BlockWrite[];
  readonly loose: readonly BlockWrite[];
}

/** One moment for each stretch between two flushes. */
function momentsOf(writes: readonly BlockWrite[]): Moment[] {
  const ends = writes.flatMap((write, index) => (write.isBarrier ? [index] : []));
  return [...ends, writes.length].map((end, index) => {
    const start = index === 0 ? 0 : (ends[index - 1] ?? 0);
    return { sure: writes.slice(0, start), loose: writes.slice(start, end) };
  });
}

describe.skipIf(missing !== undefined && !isRequired)("power cuts on ext4, at the blocks", () => {
  test.each(["confirm", "roll-back"])(
    "apply and %s: old or new in every state of the medium",
    { timeout: 900_000 },
    async (what) => {
      const { base, writes } = await recordWrites(
        join(folder, what),
        OPTIONS,
        (root) => plantOld(openDisk(root)),
        async (root) => void execFileSync(process.execPath, [subject, root, what]),
      );
      const random = randomFrom(5);
      const moments = momentsOf(writes);
      const whole = moments.map(({ sure, loose }) => [...sure, ...loose]);
      const loose = moments.filter((moment) => moment.loose.length > 1);
      const subsets = Array.from({ length: SUBSETS }, () => {
        const moment = loose[Math.floor(random() * loose.length)] ?? { sure: [], loose: [] };
        return [...moment.sure, ...moment.loose.filter(() => random() < 0.5)];
      });
      const ends = { writes: writes.length, prefixes: whole.length, subsets: subsets.length, old: 0, new: 0, mixed: 0 };
      for (const [index, state] of [...whole, ...subsets].entries()) ends[await endOf(base, state, index)] += 1;
      console.log(`block states (${what}): ${JSON.stringify(ends)}`);
      expect(ends.mixed).toBe(0);
      expect(ends.old).toBeGreaterThan(20);
      if (what === "confirm") expect(ends.new).toBeGreaterThan(0);
    },
  );

  test.skipIf(!hasAsh && !isRequired)(
    "recover.sh itself: the old tree in every state",
    { timeout: 900_000 },
    async () => {
      const { base, writes } = await recordWrites(
        join(folder, "recover-sh"),
        OPTIONS,
        (root) => {
          plantOld(openDisk(root));
          execFileSync(process.execPath, [subject, root, "apply"]);
        },
        async (root) => expect(recoverShAtBoot(root)).toBe(0),
      );
      const moments = momentsOf(writes);
      const random = randomFrom(9);
      const states = moments.flatMap(({ sure, loose }) => [
        [...sure, ...loose],
        [...sure, ...loose.filter(() => random() < 0.5)],
      ]);
      const ends = { writes: writes.length, states: states.length, old: 0, new: 0, mixed: 0 };
      for (const [index, state] of states.entries()) ends[await endOf(base, state, index)] += 1;
      console.log(`block states (recover.sh): ${JSON.stringify(ends)}`);
      expect(ends.mixed + ends.new).toBe(0);
      expect(ends.old).toBeGreaterThan(20);
    },
  );

  test("the recording tells: who renames without flushing is found with an empty file", {
    timeout: 120_000,
  }, async () => {
    const options = `${OPTIONS},noauto_da_alloc`;
    const { base, writes } = await recordWrites(
      mkdtempSync(join(folder, "careless-")),
      options,
      (root) => writeFileSync(join(root, "file"), "old content"),
      async (root) => {
        writeFileSync(join(root, ".new"), "new content");
        renameSync(join(root, ".new"), join(root, "file"));
        const other = openSync(join(root, "other"), "w");
        fsyncSync(other); // commits ext4's journal, the new name of the other file included, but not its bytes
        closeSync(other);
      },
    );
    const sizes = momentsOf(writes).map(({ sure, loose }, index) => {
      const image = join(folder, `look-${index}.img`);
      mediumWith(base, [...sure, ...loose], image);
      return withMounted(
        image,
        join(folder, "look"),
        options,
        () => openDisk(join(folder, "look")).stat("/file")?.size,
      );
    });
    expect(sizes).toContain(0);
  });
});

/** Mounts a state of the medium as the next boot would, recovers, judges. */
async function endOf(base: string, state: readonly BlockWrite[], index: number): Promise<"old" | "new" | "mixed"> {
  const image = `${base}-${index}`; // its own: a mount that another namespace copied outlives ours
  const root = join(folder, "look");
  mediumWith(base, state, image);
  const end = await withMounted(image, root, OPTIONS, async () => {
    const disk = openDisk(root);
    const promised = promisedBy(disk, both);
    if (hasAsh && index % 2 === 1 && recoverSh(root).status !== 0) return "mixed";
    await recovering(life(disk, "2"));
    return judge(disk, both, promised, "3");
  });
  rmSync(image);
  return end;
}
