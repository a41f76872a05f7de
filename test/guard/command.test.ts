/** The real program, on a device of files alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { program, start } from "../helpers/scenario.ts";

let root = "";
let running: ChildProcess[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uciprov-guard-"));
  for (const folder of ["etc/beesip", "var/log", "var/run"]) mkdirSync(join(root, folder), { recursive: true });
});
afterEach(async () => {
  for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  running = [];
  rmSync(root, { recursive: true, force: true });
});

const tell = (more: Record<string, unknown> = {}) =>
  writeFileSync(
    join(root, "etc/beesip/guard.json"),
    JSON.stringify({ version: 1, sources: [{ kind: "eve", from: "file", path: "/var/log/eve.json" }], ...more }),
  );
const alert = (source: string) =>
  appendFileSync(
    join(root, "var/log/eve.json"),
    `${JSON.stringify({ event_type: "alert", src_ip: source, direction: "to_server", alert: { gid: 1, signature_id: 7, signature: "\u202eflood" } })}\n`,
  );
const stays = (...words: string[]) => {
  const child = spawn(process.execPath, [program(), "guard", "--root", root, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk) => (said.out += String(chunk)));
  child.stderr.on("data", (chunk) => (said.err += String(chunk)));
  running.push(child);
  return { child, said };
};
async function until(isThere: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (isThere()) return;
    await sleep(50);
  }
  throw new Error("in vain");
}
const STATUS = "var/run/beesip/guard.json";
const status = () => JSON.parse(readFileSync(join(root, STATUS), "utf8"));

test("without a file, or with a wrong one, it says what is wrong and ends", async () => {
  expect(await start(["guard", "--root", root, "--json"])).toMatchObject({
    status: 1,
    json: { error: { code: "GUARD_INVALID" } },
  });
  tell({ ban: { factor: 0 } });
  const { status: exit, json } = await start(["guard", "--root", root, "--json"]);
  expect({ exit, json }).toMatchObject({
    exit: 1,
    json: { error: { code: "GUARD_INVALID", place: { file: "/etc/beesip/guard.json", option: "ban.factor" } } },
  });
  expect(await start(["guard", "--status", "--root", root])).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/^no guard has run/),
  });
});

test("a dry run decides, prints, and leaves nothing", async () => {
  tell();
  const { child, said } = stays("--dry-run", "--json");
  writeFileSync(join(root, "var/log/eve.json"), "");
  for (let at = 1; said.out === ""; at++) {
    alert(`198.51.100.${at}`);
    await sleep(300);
  }
  const [incident] = said.out.split("\n").map((line) => (line === "" ? undefined : JSON.parse(line)));
  expect(incident).toMatchObject({ version: 1, kind: "eve", action: "banned", seconds: 120, note: "\u202eflood" });
  expect(said.out).not.toContain("\u202e");
  child.kill("SIGTERM");
  const [exit] = await once(child, "exit");
  expect({ exit, left: readdirSync(join(root, "var/run")) }).toEqual({ exit: 0, left: [] });
});

test("what cannot be read anew leaves it as it was; what can takes hold", async () => {
  tell({ apply: false });
  const { child, said } = stays();
  await until(() => existsSync(join(root, STATUS)));
  writeFileSync(join(root, "etc/beesip/guard.json"), "{");
  child.kill("SIGHUP");
  await until(() => said.err.includes("goes on as it was"));
  alert("198.51.100.66");
  await until(() => status().incidents.total === 1);
  tell({ apply: false, allow: ["198.51.100.0/24"] });
  child.kill("SIGHUP");
  await until(() => said.err.includes("is read anew"));
  alert("198.51.100.67");
  await until(() => status().spared === 1);
  expect(await start(["guard", "--status", "--root", root])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/nobody is banned here.*\n.*\n.*1 spared/s),
  });
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});
