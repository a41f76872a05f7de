import { readdirSync, readFileSync, statSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { RunContext } from "../../src/context.ts";
import { ProvisionError } from "../../src/errors.ts";
import { tellRun } from "../../src/monitor.ts";
import { AGENT_KEYS, MONITOR_FOLDER, SENDER_FILE, TRAPPER_KEYS } from "../../src/monitor-keys.ts";
import type { Outcome } from "../../src/provision.ts";
import { makeFolder } from "../../src/ram-folder.ts";
import { printConfirmed, STATE } from "../../src/state.ts";
import { writeMonitor } from "../../src/zabbix/agent-files.ts";
import { aRunContext } from "../helpers/run-context.ts";
import { type StandIn, standIn } from "./stand-in.ts";

const opened: StandIn[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const values = (ctx: RunContext): Record<string, string> =>
  Object.fromEntries(
    ctx.disk
      .list(MONITOR_FOLDER)
      .map((key) => [key, readFileSync(ctx.disk.hostPath(`${MONITOR_FOLDER}/${key}`), "utf8").trimEnd()]),
  );

const outcome = (result: Outcome["result"]): Outcome => ({ exit: "provisioned", result, told: "", findings: [] });
const failure = new ProvisionError("CONNECT_FAILED", "secret words");

function put(ctx: RunContext, path: string, content: Uint8Array | string): void {
  makeFolder(ctx.disk, path.slice(0, path.lastIndexOf("/")), 0o755);
  if (ctx.disk.stat(path)) ctx.disk.unlink(path);
  ctx.disk.writeNew(path, Buffer.from(content), { mode: 0o600 });
}

test("a run leaves what it came to, for anybody to read, and no words of a failure", () => {
  const ctx = aRunContext();
  tellRun(ctx, failure);
  const { exit } = failure;
  expect(values(ctx)).toEqual({
    "uciprov.result": "failed",
    "uciprov.exit": exit,
    "uciprov.error": "CONNECT_FAILED",
    "uciprov.failures": "1",
    "uciprov.time": String(Math.floor(ctx.clock.now() / 1000)),
    "uciprov.generation": "0",
    "uciprov.confirmed": "0",
    "uciprov.tree": "NONE",
    "uciprov.serial": "0",
    "uciprov.left": "0",
  });
  expect(statSync(ctx.disk.hostPath(`${MONITOR_FOLDER}/uciprov.exit`)).mode & 0o777).toBe(0o644);
  expect(statSync(ctx.disk.hostPath(MONITOR_FOLDER)).mode & 0o777).toBe(0o755);
  expect(Object.keys(values(ctx)).every((key) => key in AGENT_KEYS)).toBe(true);
});

test("failures are counted until a run ends well", () => {
  const ctx = aRunContext();
  const counted = [failure, failure, outcome("unchanged"), failure].map((end) => {
    tellRun(ctx, end);
    return values(ctx)["uciprov.failures"];
  });
  expect(counted).toEqual(["1", "2", "0", "1"]);
});

test("the confirmed generation is told by its tree's name, without one by its URI without a password", () => {
  const ctx = aRunContext();
  const confirmed = {
    base: "https://u:secret@cfg.example/x",
    resolver: "static",
    digest: "d",
    inputs: "i",
    at: 1_750_000_000,
  };
  const rest = { etag: undefined, modified: undefined, expires: undefined };
  put(ctx, STATE.confirmed, printConfirmed({ ...confirmed, ...rest, tree: "fleet", serial: 42 }));
  put(ctx, "/lib/uciprov/tx/generations/7/x", "");
  tellRun(ctx, outcome("changed"));
  expect(values(ctx)).toMatchObject({
    "uciprov.tree": "fleet",
    "uciprov.serial": "42",
    "uciprov.confirmed": "1750000000",
    "uciprov.generation": "7",
  });
  put(ctx, STATE.confirmed, printConfirmed({ ...confirmed, ...rest, tree: "", serial: undefined }));
  tellRun(ctx, outcome("unchanged"));
  expect(values(ctx)["uciprov.tree"]).not.toContain("secret");
  expect(values(ctx)["uciprov.tree"]).toContain("cfg.example/x");
});

test("an end is sent when it is news: a change, a failure, another failure, the end of failing", async () => {
  const server = await standIn();
  opened.push(server);
  const ctx = aRunContext();
  put(
    ctx,
    SENDER_FILE,
    JSON.stringify({ version: 1, host: "box", servers: [{ host: "127.0.0.1", port: server.port }] }),
  );
  const other = new ProvisionError("UNTRUSTED", "x");
  const ends = [
    outcome("unchanged"),
    outcome("unchanged"),
    failure,
    failure,
    other,
    outcome("unchanged"),
    outcome("changed"),
    outcome("unchanged"),
  ];
  const events: number[] = [];
  for (const end of ends) {
    tellRun(ctx, end);
    const due = [1, 1, 2, 2, 3, 4, 5, 5][events.length] ?? 0;
    for (let tries = 0; server.got.length < due && tries < 500; tries++)
      await new Promise((done) => setTimeout(done, 10));
    events.push(server.got.length);
  }
  expect(events).toEqual([1, 1, 2, 2, 3, 4, 5, 5]);
  expect(server.got.flat().map(({ key, value }) => [key, value])).toEqual([
    ["uciprov.event", "unchanged provisioned NONE generation=0"],
    ["uciprov.event", `failed ${failure.exit} CONNECT_FAILED generation=0`],
    ["uciprov.event", `failed ${other.exit} UNTRUSTED generation=0`],
    ["uciprov.event", "unchanged provisioned NONE generation=0"],
    ["uciprov.event", "changed provisioned NONE generation=0"],
  ]);
  expect(server.got.flat().every(({ key }) => key in TRAPPER_KEYS)).toBe(true);
});

test("a value is one line, whatever it holds, and is not written again as long as it is the same", () => {
  const ctx = aRunContext();
  writeMonitor(ctx.disk, { "uciprov.tree": "a\nb\u0000c" });
  const path = ctx.disk.hostPath(`${MONITOR_FOLDER}/uciprov.tree`);
  const first = statSync(path).ino;
  expect(readFileSync(path, "utf8")).toBe("a b c\n");
  writeMonitor(ctx.disk, { "uciprov.tree": "a b c" });
  expect(statSync(path).ino).toBe(first);
  expect(readdirSync(ctx.disk.hostPath(MONITOR_FOLDER))).toEqual(["uciprov.tree"]);
});

test("a folder that cannot be written is no error", () => {
  const ctx = aRunContext();
  put(ctx, "/var/run/beesip", "a file");
  expect(() => tellRun(ctx, outcome("changed"))).not.toThrow();
});
