/** Signals that are not meant to end a run: a daemon's own, Node's, and those of a terminal that went away. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";
import { type Scene, scenario } from "../helpers/scenario.ts";

/** Sends the run these while it waits for its manifest. */
function sendWhileFetching(scene: Scene, signals: readonly NodeJS.Signals[]): { readonly sent: string[] } {
  const sent: string[] = [];
  scene.web.bend("MANIFEST", (_, response) => {
    const { pid } = JSON.parse(readFileSync(join(scene.root, "var/run/uciprov/status.json"), "utf8"));
    // The run asks once more when it is settled.
    if (sent.length === 0) for (const signal of signals) if (process.kill(pid, signal)) sent.push(signal);
    // Long enough for Node to have opened a debugger's port, if it does.
    setTimeout(() => response.end(readFileSync(join(scene.tree, "MANIFEST"))), 300);
  });
  return { sent };
}

scenario("SIGHUP and SIGUSR2 do not end a run: it goes on to its confirmation", async (scene) => {
  const { sent } = sendWhileFetching(scene, ["SIGHUP", "SIGUSR2", "SIGHUP"]);
  const ended = await scene.run();
  expect(sent).toEqual(["SIGHUP", "SIGUSR2", "SIGHUP"]);
  expect({ status: ended.status, signal: ended.signal }).toEqual({ status: 0, signal: null });
  expect(existsSync(join(scene.root, "etc/uciprov/state/confirmed.json"))).toBe(true);
});

scenario("SIGUSR1 opens no debugger's port", async (scene) => {
  const { sent } = sendWhileFetching(scene, ["SIGUSR1"]);
  const port = await freePort();
  const ended = await scene.run(["run"], { env: { NODE_OPTIONS: `--inspect-port=${port}` } });
  expect(sent).toEqual(["SIGUSR1"]);
  expect({ status: ended.status, signal: ended.signal }).toEqual({ status: 0, signal: null });
  expect(ended.stderr).not.toContain("Debugger");
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
