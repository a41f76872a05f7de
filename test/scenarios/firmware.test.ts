import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, OWN, snapshotOf } from "../helpers/snapshot.ts";
import { type Board, firmwareNotes, reboots, stubBoard } from "../helpers/stub-board.ts";
import { withMetadata } from "../tree/image.ts";

const OLD = "r28900-demo";
const NEW = "r29100-demo";
const TARGET = "mediatek/filogic";
const META = {
  supported_devices: ["example,router-one"],
  version: { dist: "OpenWrt", version: "24.10.9", revision: NEW, target: TARGET, board: "router-one" },
};

/** Publishes an image that says NEW of itself, with an `# image` line unless told otherwise. */
function publish(
  scene: Scene,
  how: {
    name?: string;
    image?: Uint8Array;
    line?: false | { target?: string; revision?: string };
    serial?: number;
  } = {},
): void {
  const { name = "image.bin", image = withMetadata(Buffer.alloc(3000, "k"), META), line = {}, serial = 1 } = how;
  scene.put(name, image);
  const images = line === false ? [] : [{ path: name, target: TARGET, revision: NEW, ...line }];
  scene.publish({ serial, images });
}

function asked(board: Board, words: string): number {
  return board.calls.filter((call) => call.includes(words)).length;
}

function told(outcome: Awaited<ReturnType<Board["run"]>>): string {
  return outcome instanceof ProvisionError ? `${outcome.code} ${outcome.message}` : outcome.result;
}

const findingsOf = (outcome: Awaited<ReturnType<Board["run"]>>) =>
  outcome.findings.map(({ severity, code, message }) => `${severity} ${code} ${message}`);

const digestLine = expect.stringMatching(/^[0-9a-f]{64}$/);

describe("firmware first", () => {
  scenario(
    "the image is written before any configuration; after the boot it is known to run, and configuration comes",
    async (scene) => {
      publish(scene);
      const board = stubBoard(scene);
      const before = contentOf(scene.root, OWN);
      let attempt: unknown;
      board.upgrade = async (term) => {
        attempt = firmwareNotes(scene);
        setImmediate(term);
        return 1;
      };
      expect(await board.run()).toMatchObject({ result: "flashing", exit: "provisioned" });
      // Noted durably before the start; nothing else was touched.
      expect(attempt).toMatchObject({ pending: { revision: NEW, from: OLD, sha256: digestLine } });
      expect(contentOf(scene.root, OWN)).toEqual(before);
      const calls = board.calls.map((call) => call.replace(/ \S*\/spool\/.*/, " IMAGE"));
      expect(calls.filter((call) => !call.includes("network.interface"))).toEqual([
        "sysupgrade -T IMAGE",
        "ubus call system validate_firmware_image IMAGE",
        "sysupgrade -l",
        "detached sysupgrade IMAGE",
      ]);

      board.becomes(NEW);
      const requests = scene.web.asked.length;
      expect(await board.run()).toMatchObject({ result: "changed" });
      expect(firmwareNotes(scene)).toMatchObject({ running: { revision: NEW, target: TARGET }, failed: [] });
      expect(firmwareNotes(scene)).not.toHaveProperty("pending");
      // The line says that it runs: not fetched again.
      expect(scene.web.asked.slice(requests).filter(({ name }) => name.includes("image"))).toEqual([]);
      expect(asked(board, "detached")).toBe(1);

      const settled = snapshotOf(scene.root);
      expect(await board.run()).toMatchObject({ result: "unchanged" });
      expect(snapshotOf(scene.root)).toEqual(settled);
    },
  );

  scenario("without an `# image` line the trailer decides", async (scene) => {
    publish(scene, { line: false });
    const board = stubBoard(scene);
    expect(await board.run()).toMatchObject({ result: "flashing" });
    board.becomes(NEW);
    expect(await board.run()).toMatchObject({ result: "changed" });
    expect(asked(board, "detached")).toBe(1);
  });

  scenario(
    "an image that runs by its own word is not written, nor one of which nothing says what it is",
    async (scene) => {
      const board = stubBoard(scene);
      const image = withMetadata("k", { ...META, version: { ...META.version, revision: OLD } });
      publish(scene, { line: false, image });
      expect(await board.run()).toMatchObject({ result: "changed" });
      publish(scene, { line: false, image: Buffer.alloc(4000, "k"), serial: 2 });
      const outcome = await board.run();
      expect(outcome).toMatchObject({ result: "recorded" });
      expect(findingsOf(outcome)).toEqual([expect.stringContaining("warning IMAGE_INVALID neither the manifest nor")]);
      expect(asked(board, "sysupgrade")).toBe(0);
    },
  );

  scenario(
    "what was once written and seen running is known by its digest, when nothing else says so",
    async (scene) => {
      const board = stubBoard(scene);
      const image = Buffer.alloc(4000, "k");
      publish(scene, { image });
      expect(await board.run()).toMatchObject({ result: "flashing" });
      board.becomes(NEW);
      expect(await board.run()).toMatchObject({ result: "changed" });
      publish(scene, { image, line: false, serial: 2 });
      const outcome = await board.run();
      expect(outcome).toMatchObject({ result: "recorded", findings: [] });
    },
  );

  scenario("the image for the first boot is ignored once uciprov has written one here", async (scene) => {
    const board = stubBoard(scene);
    publish(scene, { name: "image-fd.bin" });
    expect(await board.run()).toMatchObject({ result: "flashing" });
    // It boots, and says something else than the tree by then: only the plain image counts.
    board.becomes(NEW);
    const other = withMetadata("k", { ...META, version: { ...META.version, revision: "r1-other" } });
    publish(scene, { name: "image-fd.bin", image: other, line: { revision: "r1-other" }, serial: 2 });
    expect(await board.run()).toMatchObject({ result: "changed" });
    expect(asked(board, "detached")).toBe(1);
  });

  scenario("a plan shows the firmware and writes nothing", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    const before = snapshotOf(scene.root);
    const outcome = await board.run({ isDry: true, isForced: true });
    expect(outcome).toMatchObject({
      result: "planned",
      plan: { firmware: { from: OLD, revision: NEW, target: TARGET, attempt: 1 } },
    });
    expect(snapshotOf(scene.root)).toEqual(before);
    expect(asked(board, "detached")).toBe(0);
    // The program itself, on a root without any programs of its own.
    const ended = await scene.run(["plan"]);
    expect(ended.json).toMatchObject({ plan: { firmware: { from: OLD, revision: NEW } } });
    expect(ended.stdout).toContain("there is no sysupgrade here");
  });
});

describe("tries", () => {
  scenario(
    "two tries that come to nothing, then configuration comes without the image, and no run after writes a byte",
    async (scene) => {
      publish(scene);
      const board = stubBoard(scene);
      for (const tries of [1, 2]) {
        expect(await board.run()).toMatchObject({ result: "flashing", plan: { firmware: { attempt: tries } } });
        reboots(board); // the old image again
      }
      const outcome = await board.run();
      expect(outcome).toMatchObject({ result: "changed" });
      expect(findingsOf(outcome)).toEqual([expect.stringContaining("warning FIRMWARE_FAILED tried 2 times")]);
      expect(firmwareNotes(scene)).toMatchObject({ failed: [{ tries: 2, reason: `${OLD} runs and not ${NEW}` }] });
      const settled = snapshotOf(scene.root);
      for (let times = 0; times < 3; times++) {
        reboots(board);
        await board.run();
      }
      expect(snapshotOf(scene.root)).toEqual(settled);
      expect(asked(board, "detached")).toBe(2);

      // Another image is another matter.
      publish(scene, { image: withMetadata("other", META), serial: 2 });
      expect(await board.run()).toMatchObject({ result: "flashing", plan: { firmware: { attempt: 1 } } });
    },
  );

  scenario("power that fails between the note and the start counts as a try", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    // Nothing is ever started: the process dies at once.
    board.upgrade = (term) => {
      term();
      return new Promise(() => undefined);
    };
    await board.run();
    reboots(board);
    await board.run();
    expect(firmwareNotes(scene)).toMatchObject({ failed: [{ tries: 1 }], pending: { revision: NEW } });
  });
});

describe("what sysupgrade says", () => {
  for (const [title, status] of [
    ["ends with 0 and nothing happens", 0],
    ["ends with an error and nothing happens", 1],
    ["is killed", null],
  ] as const) {
    scenario(`it ${title}: a failed try, told with what it printed`, async (scene) => {
      publish(scene);
      const board = stubBoard(scene);
      board.upgrade = async () => status;
      const outcome = await board.run();
      expect(told(outcome)).toMatch(/^FIRMWARE_FAILED .*the device did not restart: Command failed: ubus call/);
      expect(firmwareNotes(scene)).toMatchObject({ failed: [{ tries: 1 }] });
      expect(firmwareNotes(scene)).not.toHaveProperty("pending");
      // The same boot, once more, then without it.
      expect(told(await board.run())).toMatch(/^FIRMWARE_FAILED/);
      expect(await board.run()).toMatchObject({ result: "changed" });
    });
  }

  scenario("it neither ends nor restarts the device", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    board.upgrade = () => new Promise(() => undefined);
    expect(told(await board.run())).toMatch(/^FIRMWARE_FAILED .*neither ends nor restarts/);
  });

  scenario("a run in the same boot leaves an image alone that is being written, for a while", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    expect(await board.run()).toMatchObject({ result: "flashing" });
    for (const isDry of [false, true]) {
      expect(told(await board.run({ isDry }))).toMatch(/^NOT_READY .*is being written/);
      // sysupgrade reads it until the end.
      expect(existsSync(join(scene.root, "var/run/uciprov/spool/sysupgrade-image"))).toBe(true);
    }
    expect(asked(board, "detached")).toBe(1);
    board.uptime += 700;
    await board.run();
    expect(firmwareNotes(scene)).toMatchObject({ failed: [{ tries: 1 }] });
  });

  // The words are those that OpenWrt 23.05's own scripts printed, run in a chroot.
  const WHEN = "Sat Nov 28 22:45:01 UTC 2026 upgrade:";
  const refusals: readonly (readonly [string, Board["answers"], string?])[] = [
    ["-T ends with 1", { "sysupgrade -T": { status: 1, stderr: "Image check failed.\n" } }, "Image check failed."],
    [
      "-T ends with 1 and names another device",
      {
        "sysupgrade -T": {
          status: 1,
          stderr: `${WHEN} Device testbed,router not supported by this image\n${WHEN} Supported devices: other,router\nImage check failed.\n`,
        },
      },
      "ends with 1: Device testbed,router not supported by this image",
    ],
    [
      "-T ends with 1, of configuration that does not fit",
      {
        "sysupgrade -T": {
          status: 1,
          stderr: `${WHEN} The device is supported, but the config is incompatible to the new image (1.0->1.1). Please upgrade without keeping config (sysupgrade -n).\n${WHEN} msg\nImage check failed.\n`,
        },
      },
      "the config is incompatible to the new image (1.0->1.1)",
    ],
    [
      "-T ends with 0 and says no, as it logs it",
      { "sysupgrade -T": { stderr: `${WHEN} Image metadata not present\n${WHEN} Invalid image type\n` } },
      "sysupgrade -T says: Invalid image type",
    ],
    ["-T ends with 0 and says no", { "sysupgrade -T": { stdout: "Image check 'fwtool_check_image' failed.\n" } }],
    [
      "-T ends with 0 and names another device",
      { "sysupgrade -T": { stderr: "Device a,b not supported by this image\n" } },
    ],
    ["-T does not end", { "sysupgrade -T": { status: null, signal: "SIGKILL", timedOut: true } }],
    ["-T is killed", { "sysupgrade -T": { status: null, signal: "SIGSEGV" } }],
    ["procd says it is not valid", { ubus: { status: 0, stdout: '{"tests":{},"valid":false,"forceable":true}' } }],
  ];
  for (const [title, answers, why = ""] of refusals) {
    scenario(`${title}: nothing is written, neither the image nor anything else`, async (scene) => {
      publish(scene);
      const board = stubBoard(scene);
      Object.assign(board.answers, answers);
      const before = snapshotOf(scene.root);
      const outcome = await board.run();
      expect(told(outcome)).toMatch(/^IMAGE_INVALID/);
      expect(findingsOf(outcome)).toEqual([expect.stringContaining("the device's own check refuses the image")]);
      expect(findingsOf(outcome).join()).toContain(why);
      expect(snapshotOf(scene.root)).toEqual(before);
      expect(asked(board, "detached")).toBe(0);
    });
  }

  for (const [title, answer] of [
    ["an error status and no JSON", { status: 4, stdout: "" }],
    ["something that is no JSON", { status: 0, stdout: "Command failed" }],
    ["nothing of validity", { status: 253, stdout: "null" }],
  ] as const) {
    scenario(`an answer of ubus with ${title} says nothing against the image`, async (scene) => {
      publish(scene);
      const board = stubBoard(scene);
      board.answers["ubus"] = answer;
      expect(await board.run()).toMatchObject({ result: "flashing" });
    });
  }
});

describe("never on a guess", () => {
  const bent = withMetadata("kernel", META);
  bent[3] = 0;
  const images: readonly (readonly [string, Parameters<typeof publish>[1], RegExp])[] = [
    ["for another board", { image: withMetadata("k", { ...META, supported_devices: ["a,b"] }) }, /it is for a,b/],
    ["for no board", { image: withMetadata("k", { ...META, supported_devices: [] }) }, /no device by its own word/],
    [
      "for another target, and the line says ours",
      { image: withMetadata("k", { ...META, version: { ...META.version, target: "x86/64" } }) },
      /it is for x86\/64, and this is mediatek/,
    ],
    [
      "of another revision than the line says",
      { image: withMetadata("k", { ...META, version: { ...META.version, revision: "r7" } }) },
      /the manifest says revision r29100-demo, the image r7/,
    ],
    ["whose own checksum is wrong", { image: bent }, /does not match its own checksum/],
    ["whose metadata nobody can read", { image: withMetadata("k", "x") }, /cannot be read/],
  ];
  for (const [title, how, says] of images) {
    scenario(`an image ${title} refuses the tree`, async (scene) => {
      publish(scene, how);
      const board = stubBoard(scene);
      const outcome = await board.run();
      expect(told(outcome)).toMatch(/^IMAGE_INVALID/);
      expect(findingsOf(outcome).join()).toMatch(says);
      expect(board.calls.filter((call) => call.includes("sysupgrade"))).toEqual([]);
    });
  }

  scenario(
    "an image that its line gives to another target is neither fetched nor written; the rest of the tree comes",
    async (scene) => {
      publish(scene, { line: { target: "x86/64" } });
      const board = stubBoard(scene);
      const outcome = await board.run();
      expect(outcome).toMatchObject({ result: "changed" });
      expect(findingsOf(outcome)).toEqual([expect.stringContaining("warning IMAGE_INVALID it is for x86/64")]);
      expect(scene.web.asked.filter(({ name }) => name.includes("image"))).toEqual([]);
    },
  );

  scenario(
    "an image that was cut off has lost its trailer; it is not what the manifest says, or nobody knows what it is",
    async (scene) => {
      const whole = withMetadata(Buffer.alloc(3000, "k"), META);
      publish(scene, { image: whole });
      scene.put("image.bin", whole.subarray(0, 2500));
      const board = stubBoard(scene);
      expect(told(await board.run())).toMatch(/^(?:DIGEST_MISMATCH|TRUNCATED)/);
      publish(scene, { image: whole.subarray(0, 2500), line: false, serial: 2 });
      const outcome = await board.run({ isForced: true });
      expect(findingsOf(outcome).join()).toContain("neither the manifest nor the image says what it is");
      expect(asked(board, "sysupgrade")).toBe(0);
    },
  );

  scenario("an unproven tree brings no firmware, and a manifest is needed", async (scene) => {
    scene.settings({ main: { trust: "any" } });
    scene.put("image.bin", withMetadata("k", META));
    scene.publish({ images: [{ path: "image.bin", target: TARGET, revision: NEW }] });
    rmSync(join(scene.tree, "MANIFEST.sig"));
    const board = stubBoard(scene);
    const outcome = await board.run();
    expect(outcome).toMatchObject({ result: "changed" });
    expect(findingsOf(outcome)).toEqual([expect.stringContaining("warning UNTRUSTED firmware comes only")]);
    expect(asked(board, "sysupgrade")).toBe(0);
  });

  scenario("an image elsewhere cannot stand in the manifest", async (scene) => {
    scene.settings({ "resource:image": { uri: scene.web.uri.replace("/tree", "/elsewhere/image.bin") } });
    scene.publish();
    const board = stubBoard(scene);
    const outcome = await board.run();
    expect(outcome).toMatchObject({ result: "changed" });
    expect(findingsOf(outcome).join()).toContain("only if the tree's manifest lists it");
    expect(asked(board, "sysupgrade")).toBe(0);
  });
});

describe("before it is written", () => {
  scenario("memory for twice the image must be free, or it is not even fetched", async (scene) => {
    publish(scene, { image: withMetadata(Buffer.alloc(3_000_000), META) });
    const board = stubBoard(scene);
    board.memory = 4_000;
    expect(told(await board.run())).toMatch(/^NO_SPACE .*twice as much/);
    expect(scene.web.asked.filter(({ name }) => name.includes("image"))).toEqual([]);
    expect(asked(board, "sysupgrade")).toBe(0);
  });

  scenario("what the device remembers must be on the list of what is kept", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    board.answers["sysupgrade -l"] = { stdout: "/etc/config/uciprov\n/etc/config/network\n" };
    expect(told(await board.run())).toMatch(/^FIRMWARE_FAILED .*would not keep \/etc\/uciprov\/keys\//);
    expect(asked(board, "detached")).toBe(0);
    expect(firmwareNotes(scene)).toBeUndefined();
  });

  scenario("a device without sysupgrade goes on without the image and says so", async (scene) => {
    publish(scene);
    const board = stubBoard(scene);
    board.programs = [];
    const outcome = await board.run();
    expect(outcome).toMatchObject({ result: "changed" });
    expect(findingsOf(outcome)).toEqual([expect.stringContaining("note COMMAND_FAILED there is no sysupgrade")]);
  });

  scenario("notes that cannot be read stop the run: whatever was written is not forgotten", async (scene) => {
    publish(scene);
    mkdirSync(join(scene.root, "etc/uciprov/state"), { recursive: true });
    writeFileSync(join(scene.root, "etc/uciprov/state/firmware.json"), '{"failed":1}');
    expect(told(await stubBoard(scene).run())).toMatch(/^STATE_INVALID/);
    expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
  });
});
