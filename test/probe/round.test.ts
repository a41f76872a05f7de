import { describe, expect, test } from "vitest";
import type { Disk } from "../../src/api.ts";
import { ASTERISK, PLACES } from "../../src/probe/places.ts";
import type { Plan } from "../../src/probe/plan.ts";
import { enqueue, trim, waiting } from "../../src/probe/queue.ts";
import type { CallResult } from "../../src/probe/result.ts";
import { beginRound, finishRound, lastRound, type RoundWorld, type Sound } from "../../src/probe/round.ts";
import { upload } from "../../src/probe/upload.ts";
import { sha256 } from "../../src/sha256.ts";
import { cutAt, PowerCut, TEARS } from "../transaction/faulty-disk.ts";
import { clockWith, device, type Exchange, exchange, partner, RECORDING, shelf } from "./stand-ins.ts";

const PLAN: Plan = { period: 300, partners: ["a", "b", "c"].map(partner), sample: "builtin", codec: "alaw" };
const SOUND: Sound = { name: "builtin", sha256: "0".repeat(64), packets: 500, bytes: 160_044 };
const ID = 1_700_000_100;
const NEVER = new AbortController().signal;

function worldOn(disk: Disk, asterisk: Exchange, more: Partial<RoundWorld> = {}): RoundWorld & { told: string[] } {
  const told: string[] = [];
  return {
    disk,
    clock: clockWith(() => asterisk.look()),
    log: (_, message) => void told.push(message),
    signal: NEVER,
    config: { conceals: true, spoolBytes: 4 << 20 },
    told,
    ...more,
  };
}

const states = (results: readonly CallResult[] | undefined) =>
  results?.map(({ partner: who, state }) => `${who} ${state}`);

describe("a round", () => {
  test("calls everybody once, and what came of it waits for the collector", async () => {
    const disk = device();
    const asterisk = exchange(disk, new Set(["b"]));
    const world = worldOn(disk, asterisk);
    beginRound(world, PLAN, SOUND, ID);
    expect(disk.list(ASTERISK.outgoing)).toEqual([]);
    const results = await finishRound(world);
    expect(states(results)).toEqual(["a measured", "b failed", "c measured"]);
    expect(results?.[0]?.measured).toMatchObject({ expected: 500, received: 500, loss: 0, rtt: 20, mos: 4.37 });
    expect([...asterisk.calls.values()]).toEqual([1, 1, 1]);
    expect(waiting(disk).map(({ name, hasRecording }) => [name, hasRecording])).toEqual([
      [`${ID}.a`, true],
      [`${ID}.b`, false],
      [`${ID}.c`, true],
    ]);
    // Nothing of it is left with Asterisk, nor is the round open or ever begun again.
    for (const folder of [ASTERISK.outgoing, ASTERISK.done, ASTERISK.recordings, ASTERISK.staged])
      expect(disk.list(folder)).toEqual([]);
    expect(disk.stat(PLACES.round)).toBeUndefined();
    expect(lastRound(disk)).toBe(ID);
    expect(await finishRound(world)).toBeUndefined();
  });

  test("ends though Asterisk says nothing: what it had not begun is taken back", async () => {
    const disk = device();
    const world = worldOn(disk, { calls: new Map(), look: () => undefined });
    beginRound(world, PLAN, SOUND, ID);
    expect(states(await finishRound(world))).toEqual(["a lost", "b lost", "c lost"]);
    expect(disk.list(ASTERISK.outgoing)).toEqual([]);
  });

  test("waits for a recording that Asterisk has not finished: its sizes are zero until it is closed, a moment after the call", async () => {
    const disk = device();
    const asterisk = exchange(disk);
    let looks = 0;
    const slow = worldOn(disk, asterisk, {
      clock: clockWith(() => {
        asterisk.look();
        const path = `${ASTERISK.recordings}/${ID}.a.wav`;
        const open = Buffer.from(RECORDING);
        for (const size of [4, 40]) open.writeUInt32LE(0, size);
        looks++;
        if (looks !== 1 && looks !== 10) return;
        disk.unlink(path);
        disk.writeNew(path, looks === 1 ? open : RECORDING, { mode: 0o600 });
      }),
    });
    beginRound(slow, PLAN, SOUND, ID);
    const results = await finishRound(slow);
    expect(looks).toBe(10);
    expect(results?.[0]?.recording).toEqual({ sha256: sha256(RECORDING), bytes: RECORDING.length });
  });

  test("records no more than there is room for, and says so", async () => {
    const disk = device();
    const asterisk = exchange(disk);
    const world = worldOn(disk, asterisk, { config: { conceals: true, spoolBytes: 2 * SOUND.bytes } });
    beginRound(world, PLAN, SOUND, ID);
    const results = await finishRound(world);
    expect(results?.map(({ state, recording }) => [state, recording !== undefined])).toEqual([
      ["measured", true],
      ["measured", true],
      ["measured", false],
    ]);
    expect(world.told.join()).toContain("room for 2 recordings of 3");
  });

  test("does not call late: who was not called within five seconds is no part of it", async () => {
    const disk = device();
    const asterisk = exchange(disk);
    const first = worldOn(disk, asterisk);
    beginRound(first, PLAN, SOUND, ID);
    await first.clock.sleep(6000, NEVER);
    expect(states(await finishRound(first))).toEqual(["a interrupted", "b interrupted", "c interrupted"]);
    expect(asterisk.calls.size).toBe(0);
  });

  test("follows no link that lies where a recording should", async () => {
    const disk = device();
    disk.writeNew("/secret.wav", RECORDING, { mode: 0o600 });
    const asterisk = exchange(disk);
    const world = worldOn(disk, asterisk, {
      clock: clockWith(() => {
        asterisk.look();
        const path = `${ASTERISK.recordings}/${ID}.a.wav`;
        if (disk.stat(path)?.kind !== "file") return;
        disk.unlink(path);
        disk.symlink("/secret.wav", path);
      }),
    });
    beginRound(world, { ...PLAN, partners: [partner("a")] }, SOUND, ID);
    expect((await finishRound(world))?.[0]).toMatchObject({ state: "measured" });
    expect(waiting(disk)[0]?.hasRecording).toBe(false);
  });
});

describe("a probe that is killed between any two steps", () => {
  /** One life: begins the round if none was begun, ends it, brings it away. */
  async function live(disk: Disk, asterisk: Exchange, collector: ReturnType<typeof shelf>["collector"]): Promise<void> {
    const world = worldOn(disk, asterisk);
    await finishRound(world);
    if (lastRound(disk) < ID) {
      beginRound(world, PLAN, SOUND, ID);
      await finishRound(world);
    }
    trim(disk, 4 << 20, () => undefined);
    await upload(disk, collector, () => undefined);
  }

  test.each(TEARS)("loses nothing and calls nobody twice, when the file it was writing is %s", async (tear) => {
    let steps = 0;
    for (let at = 1; ; at++) {
      const disk = device();
      const asterisk = exchange(disk, new Set(["b"]));
      const { collector, came } = shelf();
      const { disk: cut } = cutAt(disk, at, tear);
      const isCut = await live(cut, asterisk, collector).then(
        () => false,
        (thrown: unknown) => {
          if (!(thrown instanceof PowerCut)) throw thrown;
          return true;
        },
      );
      if (!isCut) break;
      steps = at;
      await live(disk, asterisk, collector);
      const told = `cut at step ${at}`;
      expect([...asterisk.calls.entries()].sort(), told).toEqual(["a", "b", "c"].map((id) => [`${ID}.${id}`, 1]));
      const wanted = ["a.json", "a.wav", "b.json", "c.json", "c.wav"].map((name) => `/rounds/${ID}/${name}`);
      expect([...came.keys()].sort(), told).toEqual(wanted);
      // What comes again is the same again.
      for (const [path, bodies] of came) expect(new Set(bodies).size, `${told}: ${path}`).toBe(1);
      expect(JSON.parse(came.get(`/rounds/${ID}/a.json`)?.[0] ?? "{}"), told).toMatchObject({ state: "measured" });
      expect(waiting(disk), told).toEqual([]);
      for (const folder of [ASTERISK.outgoing, ASTERISK.done, ASTERISK.recordings, ASTERISK.staged])
        expect(disk.list(folder), told).toEqual([]);
    }
    expect(steps).toBeGreaterThan(50);
  });

  test("by the network, before or after the collector has what it was sent: the same", async () => {
    for (const when of ["before", "after"] as const) {
      for (let at = 1; at <= 5; at++) {
        const disk = device();
        const asterisk = exchange(disk, new Set(["b"]));
        let count = 0;
        const { collector, came } = shelf({
          [when]: () => {
            if (++count === at) throw new Error("the line is dead");
          },
        });
        await expect(live(disk, asterisk, collector)).rejects.toThrow("the line is dead");
        await live(disk, asterisk, collector);
        expect(came.size).toBe(5);
        for (const bodies of came.values()) expect(new Set(bodies).size).toBe(1);
        expect([...asterisk.calls.values()]).toEqual([1, 1, 1]);
      }
    }
  });
});

describe("the queue", () => {
  const body = Buffer.from("{}\n");
  const filled = (count: number) => {
    const disk = device();
    for (let at = 0; at < count; at++) enqueue(disk, `${ID + at}.a`, body, RECORDING);
    return disk;
  };

  test("drops the oldest recordings first, then the oldest results, and says so", () => {
    const disk = filled(10);
    const told: string[] = [];
    const gone = trim(disk, 4 * RECORDING.length + 10 * body.length, (_, message) => void told.push(message));
    expect(gone).toEqual({ recordings: 6, results: 0 });
    expect(waiting(disk).map(({ hasRecording }) => hasRecording)).toEqual([
      ...Array(6).fill(false),
      ...Array(4).fill(true),
    ]);
    expect(told.join()).toContain("6 recordings");
    expect(trim(disk, 3 * body.length, () => undefined)).toEqual({ recordings: 4, results: 7 });
    expect(waiting(disk).map(({ round }) => round)).toEqual([7, 8, 9].map((at) => String(ID + at)));
  });

  test("with room drops nothing, but for leftovers of a cut", () => {
    const disk = filled(2);
    disk.writeNew(`${PLACES.queue}/${ID + 9}.a.wav`, RECORDING, { mode: 0o600 });
    disk.writeNew(`${PLACES.queue}/.new`, RECORDING, { mode: 0o600 });
    expect(trim(disk, 4 << 20, () => undefined)).toEqual({ recordings: 0, results: 0 });
    expect(disk.list(PLACES.queue)).toHaveLength(4);
  });

  test("what the collector refuses for good is told, and does not stand in the way of the rest", async () => {
    const disk = filled(3);
    const { collector } = shelf();
    const told: string[] = [];
    await upload(disk, { ...collector, put: async () => "refused" }, (_, message) => void told.push(message));
    expect(waiting(disk)).toEqual([]);
    expect(told).toHaveLength(6);
  });
});
