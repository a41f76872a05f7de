import { describe, expect, test } from "vitest";
import { type EvidenceKind, ProvisionError, type Resolver, template } from "../../src/api.ts";
import type { Device, RunContext } from "../../src/context.ts";
import { ERRORS, type ErrorCode } from "../../src/errors.ts";
import { askAll, getUri } from "../../src/stages/geturi.ts";
import { quarantine, quarantinedFor, release } from "../../src/stages/quarantine.ts";
import { answer } from "../helpers/bent-web.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";
import { provisioned, refused, type Scene, withScene } from "../helpers/scenario.ts";

const FILE = "/var/run/uciprov/quarantine.json";
const HOUR = 3_600_000;

const knows = (name: string, evidence: EvidenceKind = "none"): Resolver => ({
  name,
  evidence,
  deadline: 1000,
  isEnabled: () => true,
  resolve: async () => ({ uri: template(`https://${name}.example/{mac}/`), evidence }),
});
const silent = (name: string, evidence: EvidenceKind = "none"): Resolver => ({
  ...knows(name, evidence),
  resolve: async () => Promise.reject(new ProvisionError("DNS_TIMEOUT", "nobody answered")),
});

const named = (resolver: string) => ({ resolver, base: { text: `https://${resolver}.example/020000000001` } });
const wrong = new ProvisionError("SIGNATURE_WRONG", "not ours");

function aScene(more: Partial<RunContext> = {}): { ctx: RunContext; clock: ReturnType<typeof aClock>; device: Device } {
  const clock = aClock();
  const device = aDevice({ resolver: ["a", "b", "c"], macros: { mac: "020000000001" } });
  return { ctx: aRunContext({ clock, ...more }), clock, device };
}

const chosen = async ({ ctx, device }: ReturnType<typeof aScene>, resolvers: readonly Resolver[]) =>
  (await getUri(ctx, device, resolvers, undefined)).resolver;

describe("a source whose tree failed", () => {
  test("lets the next one go first that is trusted no less", async () => {
    const scene = aScene();
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
    quarantine(scene.ctx, named("a"), wrong);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("b");
    expect(await chosen(scene, [knows("a"), knows("b", "dnssec")])).toBe("b");
  });

  test.each(["local", "tls", "dnssec"] as const)("%s evidence never gives way to none", async (evidence) => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    expect(await chosen(scene, [knows("a", evidence), knows("b")])).toBe("a");
    expect(await chosen(scene, [knows("a", evidence), knows("b"), knows("c", "tls")])).toBe("c");
  });

  test("is taken all the same if nobody else knows: a repaired tree is not kept waiting", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    expect(await chosen(scene, [knows("a")])).toBe("a");
  });

  test("comes back in its place if the others failed as well", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    quarantine(scene.ctx, named("b"), wrong);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
    expect(await chosen(scene, [knows("a"), knows("b"), knows("c")])).toBe("c");
  });

  test("opens no door past one that should know and could not find out", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    expect(await chosen(scene, [knows("a"), silent("b"), knows("c")])).toBe("a");
  });

  test("opens none for a forged answer either: the run takes what it would have taken", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    const forged: Resolver = {
      ...knows("b", "dnssec"),
      resolve: async () => Promise.reject(new ProvisionError("DNSSEC_BOGUS", "forged")),
    };
    expect(await chosen(scene, [knows("a", "local"), forged, knows("c", "tls")])).toBe("a");
  });

  test("is known by resolver and expanded base URI: another URI of the same resolver is another source", async () => {
    const scene = aScene();
    quarantine(scene.ctx, { resolver: "a", base: { text: "https://a.example/other" } }, wrong);
    quarantine(scene.ctx, { resolver: "x", base: named("a").base }, wrong);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
  });

  test("is asked again after an hour, but not before another one had its turn", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    scene.clock.advance(5 * HOUR);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("b");
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
    quarantine(scene.ctx, named("a"), wrong);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("b");
    scene.clock.advance(HOUR - 1000);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("b");
    scene.clock.advance(2000);
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
  });

  test("is free again once its tree is good", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    release(scene.ctx, named("a"));
    expect(await chosen(scene, [knows("a"), knows("b")])).toBe("a");
  });

  test("explain says so, and changes nothing", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    const before = scene.ctx.disk.read(FILE);
    const { answers, chosen } = await askAll(scene.ctx, scene.device, [knows("a"), knows("b")], undefined);
    expect(chosen?.resolver).toBe("b");
    expect(answers[0]).toMatchObject({ said: "source", quarantinedFor: "SIGNATURE_WRONG" });
    expect(scene.ctx.disk.read(FILE)).toBe(before);
  });

  test("counts in a plan, not in a run that somebody forces, and a plan notes nothing", async () => {
    const scene = aScene();
    quarantine(scene.ctx, named("a"), wrong);
    const forced = { ...scene, ctx: { ...scene.ctx, choices: { isForced: true, isDry: false } } };
    const dry = { ...scene, ctx: { ...scene.ctx, choices: { isForced: true, isDry: true } } };
    expect(await chosen(forced, [knows("a"), knows("b")])).toBe("a");
    expect(await chosen(dry, [knows("a"), knows("b")])).toBe("b");
    quarantine(dry.ctx, named("c"), wrong);
    release(dry.ctx, named("a"));
    expect(quarantinedFor(scene.ctx, named("c"))).toBeUndefined();
    expect(quarantinedFor(scene.ctx, named("a"))).toBe("SIGNATURE_WRONG");
  });
});

const CODES = Object.keys(ERRORS) as ErrorCode[];

test("only a refused or invalid tree puts its source aside", () => {
  const aside = CODES.filter((code) => {
    const { ctx } = aScene();
    quarantine(ctx, named("a"), new ProvisionError(code, "so"));
    return quarantinedFor(ctx, named("a")) !== undefined;
  });
  expect(aside).toEqual(
    CODES.filter((code) => {
      const { exit } = ERRORS[code];
      if (code === "LATCH_INVALID" || code === "KEY_INVALID") return false;
      return exit === "trust-refused" || exit === "invalid-content" || code === "GENERATION_BAD";
    }),
  );
  expect(aside.length).toBeGreaterThan(20);
});

describe("the file in RAM", () => {
  test("stays small, and is nobody else's to read", () => {
    const { ctx } = aScene();
    for (let at = 0; at < 200; at++)
      quarantine(ctx, { resolver: "a", base: { text: `https://${at}.example/${"x".repeat(at * 100)}` } }, wrong);
    expect(JSON.parse(ctx.disk.read(FILE) ?? "")).toHaveLength(16);
    expect(ctx.disk.stat(FILE)).toMatchObject({ mode: 0o600 });
    expect(ctx.disk.list("/var/run/uciprov")).toEqual(["quarantine.json"]);
  });

  test.each([
    "",
    "{",
    "null",
    "{}",
    '["a"]',
    '[{"resolver":"a"}]',
    `[{"resolver":"a","base":"${named("a").base.text}","code":7,"at":0}]`,
    "[".repeat(5000),
  ])("what is damaged is nothing: %#", (text) => {
    const { ctx } = aScene();
    for (const folder of ["/var", "/var/run", "/var/run/uciprov"]) ctx.disk.makeDirectory(folder, 0o755);
    ctx.disk.writeNew(FILE, Buffer.from(text), { mode: 0o600 });
    expect(quarantinedFor(ctx, named("a"))).toBeUndefined();
    quarantine(ctx, named("a"), wrong);
    expect(quarantinedFor(ctx, named("a"))).toBe("SIGNATURE_WRONG");
  });

  test("of another boot does not count", () => {
    const { ctx, clock } = aScene();
    clock.advance(HOUR / 2);
    quarantine(ctx, named("a"), wrong);
    expect(quarantinedFor({ ...ctx, clock: aClock() }, named("a"))).toBeUndefined();
  });

  test("a full RAM is no failure of the run", () => {
    const { ctx } = aScene();
    const full = () => {
      throw new ProvisionError("NO_SPACE", "full");
    };
    quarantine({ ...ctx, disk: { ...ctx.disk, writeNew: full, makeDirectory: full } }, named("a"), wrong);
    expect(quarantinedFor(ctx, named("a"))).toBeUndefined();
  });
});

/** The resolver that stands first names a tree whose manifest is none; DNS names the good one. */
function brokenFirst(scene: Scene, first: "static" | "dhcp"): void {
  const broken = scene.web.uri.replace("/tree", "/broken");
  scene.web.bend("broken/MANIFEST", answer(200, {}, "no manifest\n"));
  scene.settings({
    main: { resolver: [first, "dns"] },
    ...(first === "static" ? { static: { base_uri: broken } } : {}),
  });
  if (first === "dhcp") scene.edit("/var/run/uciprov/dhcp/wan.v4", `opt224=${Buffer.from(broken).toString("hex")}\0`);
  scene.publish();
}

const BROKEN = { code: "MANIFEST_INVALID", exit: "invalid-content", says: ["/broken/MANIFEST"] } as const;

describe("the real program", () => {
  test("goes on to the next source of equal evidence in the next run, and says so", { timeout: 60_000 }, async () => {
    await withScene(async (scene) => {
      brokenFirst(scene, "dhcp");
      await refused(scene, BROKEN);
      const ended = await scene.run(["run"]);
      expect(ended.json).toMatchObject({ exit: "provisioned", result: "changed" });
      expect(ended.stderr).toContain("dhcp is passed over");
      const { stdout } = await scene.run(["explain"]);
      expect(stdout).toContain("its tree failed lately (MANIFEST_INVALID)");
    });
  });

  test("and never to one of weaker evidence, however often it is tried", { timeout: 60_000 }, async () => {
    await withScene(async (scene) => {
      brokenFirst(scene, "static");
      for (let times = 0; times < 3; times++) await refused(scene, BROKEN);
    });
  });

  test("a repaired tree is taken in the next run", { timeout: 60_000 }, async () => {
    await withScene(async (scene) => {
      scene.publish();
      scene.web.bend("MANIFEST", answer(200, {}, "no manifest\n"));
      await refused(scene, { ...BROKEN, says: ["MANIFEST"] });
      scene.web.straighten();
      await provisioned(scene);
      expect(JSON.parse(scene.device(FILE) ?? "")).toEqual([]);
    });
  });
});
