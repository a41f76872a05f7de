import { describe, expect, test } from "vitest";
import report from "../../hooks/report.ts";
import { type HookPoint, ProvisionError, type RunFacts } from "../../src/api.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { hookContext } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";

keepsModuleContract(report, () => planScene({ module: "report" }));

const TO = "config uciprov 'report'\n\toption uri 'https://noc.example/{mac}/reports'\n";
const TREE = { uri: "https://cfg.example/t", name: "t", serial: 7, digest: "ab".repeat(32) };

async function at(point: HookPoint, run: RunFacts = {}, settings = TO) {
  const seen = hookContext(point, { run, settings, macros: { mac: "020000000001" } });
  await report.hooks?.[point]?.(seen.context);
  return { ...seen, bodies: seen.letters.map(({ body }) => body) };
}

describe("a report", () => {
  test("tells how a run ended, of which device and tree, with names and no value", async () => {
    const outcome = { result: "changed", exit: "provisioned", generation: 3 };
    const changes = { names: ["network.wan.proto", "/etc/banner"], more: 0 };
    const { bodies, letters, delivered } = await at("done", { tree: TREE, outcome, changes });
    expect(bodies).toMatchObject([
      {
        version: 1,
        progress: "bootstrap-complete",
        run: outcome,
        tree: TREE,
        changes,
        device: { board: expect.any(String) },
      },
    ]);
    expect(letters[0]?.isDurable).toBe(false);
    expect(delivered).toEqual(["https://noc.example/020000000001/reports"]);
  });

  test("of a failure has codes and places, and no words: words may quote a tree's secret", async () => {
    const error = new ProvisionError("UCI_INVALID", "option psk 'hunter2' is odd", {
      place: { file: "https://u:pw@cfg.example/default.uci?token=s3cr3t-token", line: 3 },
      findings: [{ code: "UCI_INVALID", severity: "error", message: "hunter2", place: { line: 3 } }],
    });
    const { bodies } = await at("failed", { tree: TREE, error });
    expect(bodies).toMatchObject([{ progress: "parsing-error", error: { code: "UCI_INVALID", place: { line: 3 } } }]);
    expect(JSON.stringify(bodies)).not.toMatch(/hunter2|s3cr3t-token|pw@/);
  });

  test("of a tree that was taken back is durable and has the same id whoever tells it, and when", async () => {
    const takenBack = { digest: TREE.digest, attempts: 2, reason: "NOT_CONFIRMED: psk 'hunter2'" };
    const error = new ProvisionError("NOT_CONFIRMED", "no");
    const then = await at("failed", { tree: TREE, error, takenBack });
    const later = await at("preinit", { takenBack });
    expect(then.letters[0]?.isDurable).toBe(true);
    expect(later.letters[0]?.id).toBe(then.letters[0]?.id);
    expect(later.bodies).toMatchObject([
      { progress: "config-error", takenBack: { attempts: 2, code: "NOT_CONFIRMED" } },
    ]);
    expect(JSON.stringify(then.bodies) + JSON.stringify(later.bodies)).not.toContain("hunter2");
  });

  test("of a part says which, durably; of an image, before it is written", async () => {
    const left = [{ part: "network", names: ["network.x"], more: 0 }];
    const part = await at("done", { tree: TREE, left, outcome: { result: "partial", exit: "rolled-back" } });
    expect(part.bodies).toMatchObject([{ progress: "bootstrap-warning", left }]);
    expect(part.letters[0]?.isDurable).toBe(true);
    const image = await at("reboot", { tree: TREE, firmware: "r2" });
    expect(image.bodies).toMatchObject([{ progress: "boot-image-initiated", firmware: "r2" }]);
    expect(image.letters[0]?.isDurable).toBe(true);
  });

  test("on the way is sent only where the settings ask for it, in the words of RFC 8572", async () => {
    const progress = `${TO}\toption progress '1'\n`;
    const names: unknown[] = [];
    for (const point of ["preinit", "fetch", "validate", "preapply", "apply", "postapply"] as const) {
      expect((await at(point)).letters).toEqual([]);
      names.push(...(await at(point, {}, progress)).bodies.map((body) => body["progress"]));
    }
    expect(names).toEqual([
      ...["bootstrap-initiated", "parsing-initiated", "parsing-complete", "config-initiated", "config-complete"],
    ]);
  });

  test("goes nowhere without a URI, nor over plain HTTP outside a laboratory, nor to a URI with an unknown macro", async () => {
    const run = { outcome: { result: "changed", exit: "provisioned" } };
    expect((await at("done", run, "")).letters).toEqual([]);
    const plain = "config uciprov 'report'\n\toption uri 'http://noc.example/'\n";
    expect((await at("done", run, plain)).letters).toEqual([]);
    expect((await at("done", run, `${plain}config uciprov 'main'\n\toption trust 'any'\n`)).letters).toHaveLength(1);
    const wrong = await at("done", run, "config uciprov 'report'\n\toption uri 'https://noc.example/{nothing}'\n");
    expect(wrong.letters).toEqual([]);
    expect(wrong.logged.join()).toContain("no report");
  });

  test("is not made for a trial of which the run goes on to try a part", async () => {
    expect((await at("failed", { tree: TREE })).letters).toEqual([]);
  });
});
