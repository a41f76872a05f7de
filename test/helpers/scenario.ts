/** A device, its name server and its web server on loopback, and the real program (the built bundle) as a process of its own. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { DEMO_NAME, type DemoBed, makeDemoBed } from "../../src/admin/demo-bed.ts";
import { signTree, type TreeLabel } from "../../src/admin/sign-tree.ts";
import { type ErrorCode, EXIT, type ExitName } from "../../src/errors.ts";
import type { SecretKey } from "../../src/tree/keys.ts";
import { fromText } from "../../src/uci/bytes.ts";
import { makeSection } from "../../src/uci/model.ts";
import { printConfig } from "../../src/uci/print.ts";
import { type BentWeb, serveBent } from "./bent-web.ts";
import { snapshotOf } from "./snapshot.ts";

/** Section name → option → value; `type:name` gives a section another type than `uciprov`. */
export type SettingsText = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/** How a process of the program ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What it printed, as an object; empty if that was no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface RunChoices {
  /** Milliseconds after its start, and what it is sent then. */
  readonly interrupt?: { readonly after: number; readonly by: NodeJS.Signals };
  /** A file that Node loads before the program, and what it reads in its environment. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another copy of the program. */
  readonly program?: string;
}

export interface Scene {
  readonly bed: DemoBed;
  readonly root: string;
  /** The folder that is served at `web.uri`; change it, then `publish`. */
  readonly tree: string;
  readonly web: BentWeb;
  /** The program with these words, `--root` and `--json`. */
  run(words?: readonly string[], choices?: RunChoices): Promise<Ended>;
  /** Replaces /etc/config/uciprov: the scene's own settings with these over them. */
  settings(changes?: SettingsText): void;
  /** What the TXT record says from now on, a string each. */
  txt(...strings: string[]): void;
  publish(label?: Partial<TreeLabel>, keys?: readonly SecretKey[]): void;
  /** A file of the device as text; undefined if it is not there. */
  device(path: string): string | undefined;
  /** Writes a file on the device, as its owner would. */
  edit(path: string, text: string | Uint8Array): void;
  /** Writes a file of the tree. */
  put(name: string, content: string | Uint8Array): void;
  /** Moves the device to another tree server. */
  goTo(uri: string): void;
}

const FIXTURES = join(import.meta.dirname, "../../fixtures");
/** `UCIPROV_DIST` names another bundle: one of another commit, or one that a neighbour's build cannot take away. */
const DIST = process.env["UCIPROV_DIST"] ?? join(import.meta.dirname, "../../dist");
/** The Node that runs the program, with the words before it: an emulator, say. The tests' own if nothing else is said. */
const NODE = process.env["UCIPROV_NODE"]?.split(" ") ?? [process.execPath];
/** How many times slower than this machine that may be. */
const PATIENCE = Number(process.env["UCIPROV_PATIENCE"] ?? 1);
/** Longer than any run here may take; what is still running then is killed and its status is null. */
const DEADLINE = 40_000 * PATIENCE;

/** A scenario as a test of its own; scenarios of a file run side by side, each with all that it needs. */
export function scenario(title: string, act: (scene: Scene) => Promise<void>, timeout = 60_000): void {
  test.concurrent(title, { timeout: timeout * PATIENCE }, () => withScene(act));
}

/** Sets the scene, acts, and takes everything away again. */
export async function withScene(act: (scene: Scene) => Promise<void>): Promise<void> {
  const bed = await makeDemoBed(FIXTURES);
  const identity = bed.authority.issue({ names: ["localhost", "127.0.0.1"] });
  const web = await serveBent(bed.tree, identity);
  try {
    const scene = sceneOf(bed, web);
    scene.settings();
    scene.goTo(web.uri);
    await act(scene);
  } finally {
    await Promise.all([bed.close(), web.close()]);
    rmSync(bed.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function sceneOf(bed: DemoBed, web: BentWeb): Scene {
  const { root, tree } = bed;
  const scene: Scene = {
    bed,
    root,
    tree,
    web,
    run: (words = ["run"], choices = {}) => start([...words, "--root", root, "--json"], choices),
    settings: (changes = {}) => scene.edit("/etc/config/uciprov", settingsText(bed.names.port, changes)),
    txt: (...strings) => bed.names.publish(DEMO_NAME, [strings]),
    publish: (label = {}, keys = [bed.key]) => void signTree(tree, { tree: "first-light", serial: 1, ...label }, keys),
    device: (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined),
    edit: (path, text) => write(join(root, path), text),
    put: (name, content) => write(join(tree, name), content),
    goTo: (uri) => scene.txt(`provuri=${uri}`),
  };
  return scene;
}

function write(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function settingsText(port: number, changes: SettingsText): Uint8Array {
  const own: SettingsText = {
    main: { ca: ["/etc/uciprov/ca.pem"], system_ca: "0", tries: "1", retry_seconds: "0", ready_seconds: "0" },
    confirm: { window: "20" },
    dns: { name: DEMO_NAME, server: [`127.0.0.1#${port}`], timeout: "5" },
  };
  const names = [...new Set([...Object.keys(own), ...Object.keys(changes)])];
  const sections = names.map((key) => {
    const [type = "", name] = key.includes(":") ? key.split(":") : ["uciprov", key];
    return makeSection(type, name, { ...own[key], ...changes[key] });
  });
  return printConfig({ name: fromText("uciprov"), sections });
}

let copied: string | undefined;

/** A copy of the bundle: another build may be under way in the same tree. */
export function program(): string {
  if (copied === undefined) {
    if (!existsSync(join(DIST, "uciprov.cjs"))) throw new Error("there is no bundle: npm run build");
    const folder = mkdtempSync(join(tmpdir(), "uciprov-bundle-"));
    cpSync(DIST, folder, { recursive: true });
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    copied = join(folder, "uciprov.cjs");
  }
  return copied;
}

/** Starts the program with exactly these arguments and waits for its end. */
export function start(
  args: readonly string[],
  { interrupt, preload, env = {}, program: file = program() }: RunChoices = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const before = preload === undefined ? [] : ["--require", preload];
    const [command = process.execPath, ...words] = NODE;
    const child = spawn(command, [...words, ...before, file, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], ...env },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    const timers = [setTimeout(() => child.kill("SIGKILL"), DEADLINE)];
    if (interrupt) timers.push(setTimeout(() => child.kill(interrupt.by), interrupt.after));
    child.on("error", reject);
    child.on("close", (status, signal) => {
      for (const timer of timers) clearTimeout(timer);
      const stdout = Buffer.concat(out).toString("utf8");
      resolve({ status, signal, stdout, stderr: Buffer.concat(err).toString("utf8"), json: objectIn(stdout) });
    });
  });
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  } catch {
    return {};
  }
}

export interface Refusal {
  /** Any, where several are right. */
  readonly code?: ErrorCode;
  /** Of the status that the program must end with. */
  readonly exit: ExitName;
  /** What must stand in what it says: which thing, where. */
  readonly says: readonly (string | RegExp)[];
  /** Paths that may be written all the same, with all below them. */
  readonly but?: readonly string[];
}

/** Runs the program and expects it to fail in exactly this way, with the device outside RAM as it was: bytes, modes, links, times, inodes. */
export async function refused(scene: Scene, refusal: Refusal, words: readonly string[] = ["run"]): Promise<Ended> {
  const before = snapshotOf(scene.root, refusal.but);
  const ended = await scene.run(words);
  const error = ended.json["error"];
  expect(ended.stdout, ended.stderr).toMatch(/^\{.*\}\n$/s);
  expect({ error, status: ended.status }).toMatchObject({
    error: { code: refusal.code ?? expect.any(String), exit: refusal.exit },
    status: EXIT[refusal.exit],
  });
  const told = JSON.stringify(error);
  for (const words of refusal.says) {
    if (typeof words === "string") expect(told).toContain(words);
    else expect(told).toMatch(words);
  }
  // People are told the same, without a stack: a fault of the tree is none of the program.
  expect(told).not.toMatch(/\n? {4}at /);
  expect(snapshotOf(scene.root, refusal.but)).toEqual(before);
  return ended;
}

/** Runs the program and expects it to end well; gives back what it printed. */
export async function provisioned(
  scene: Scene,
  words: readonly string[] = ["run"],
): Promise<Readonly<Record<string, unknown>>> {
  const ended = await scene.run(words);
  expect(ended.status, ended.stdout + ended.stderr).toBe(0);
  return ended.json;
}
