import { describe, expect, test } from "vitest";
import type { Http } from "../../src/api.ts";
import { type ErrorCode, ProvisionError } from "../../src/errors.ts";
import { readSettings, type Settings } from "../../src/settings.ts";
import { probesOf } from "../../src/stages/confirm/probes.ts";
import { makeSection } from "../../src/uci/model.ts";
import { aRunContext } from "../helpers/run-context.ts";

const settingsWith = (probe: readonly string[]): Settings =>
  readSettings({ name: "uciprov", sections: [makeSection("uciprov", "confirm", { probe })] }).settings;

const BASE = "https://cfg.example/tree";

const failing = (code: ErrorCode): Http => ({
  get: async () => Promise.reject(new ProvisionError(code, "as the test wants it")),
  close: async () => undefined,
});

async function failure(probe: string, http: Http, more: Parameters<typeof aRunContext>[0] = {}) {
  const [one] = probesOf(settingsWith([probe]), BASE);
  return one?.failure(aRunContext(more), http);
}

describe("the tree's server", () => {
  test.each<ErrorCode>(["HTTP_UNAVAILABLE", "HTTP_REFUSED", "HTTP_ODD", "TOO_LARGE"])(
    "%s proves that it was reached",
    async (code) => {
      expect(await failure("tree", failing(code))).toBeUndefined();
    },
  );

  test.each<ErrorCode>([
    "PORTAL",
    "CONNECT_FAILED",
    "DNS_FAILED",
    "HTTP_TIMEOUT",
    "TLS_UNTRUSTED",
    "TLS_NAME",
    "TRUNCATED",
  ])("%s proves nothing", async (code) => {
    expect(await failure("tree", failing(code))).toContain(code);
  });

  test("is asked for the manifest, wherever the base is", async () => {
    const asked: string[] = [];
    const http: Http = {
      async get({ uri }) {
        asked.push(uri);
        const proof = { kind: "none" } as const;
        return { kind: "absent", uri, transport: { scheme: "https", host: "cfg.example", port: 443, proof } };
      },
      close: async () => undefined,
    };
    expect(await failure("tree", http)).toBeUndefined();
    expect(asked).toEqual(["https://cfg.example/tree/MANIFEST"]);
  });
});

describe("the gateway", () => {
  const route = "Iface\tDestination\tGateway\neth0\t00000000\t0100000A\t0003\n";
  const ping = (status: number, asked: string[] = []) => ({
    has: (name: string) => name === "ping",
    run: async (_: string, args: readonly string[]) => {
      asked.push(...args);
      return { status, signal: null, stdout: "", stderr: "", timedOut: false };
    },
  });
  const withRoute = (text: string) => {
    const ctx = aRunContext();
    ctx.disk.makeDirectory("/proc", 0o755);
    ctx.disk.makeDirectory("/proc/net", 0o755);
    ctx.disk.writeNew("/proc/net/route", Buffer.from(text), { mode: 0o644 });
    return ctx.disk;
  };

  test("is the one of the default route, and must answer a ping", async () => {
    const asked: string[] = [];
    expect(
      await failure("gateway", failing("INTERNAL"), { disk: withRoute(route), commands: ping(0, asked) }),
    ).toBeUndefined();
    expect(asked.at(-1)).toBe("10.0.0.1");
    expect(await failure("gateway", failing("INTERNAL"), { disk: withRoute(route), commands: ping(1) })).toContain(
      "10.0.0.1",
    );
  });

  test("without a default route there is none", async () => {
    const disk = withRoute("Iface\tDestination\tGateway\neth0\t000A000A\t00000000\t0001\n");
    expect(await failure("gateway", failing("INTERNAL"), { disk, commands: ping(0) })).toContain("no default route");
  });
});

test("a word that names no probe is told with its option", () => {
  expect(() => probesOf(settingsWith(["tree", "luck"]), BASE)).toThrow(
    expect.objectContaining({ code: "SETTINGS_INVALID", place: expect.objectContaining({ option: "confirm.probe" }) }),
  );
});
