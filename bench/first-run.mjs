import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { DEVICE_FLAGS, median } from "./measure.mjs";
import { slowLink } from "./slow-link.mjs";

/**
 * node bench/first-run.mjs [RUNS [ROUND-TRIP-MS]], after a build, as root, with gcc, busybox, nginx and dnsmasq: a first provisioning of 8 UCI files and a 1 MB overlay found by DNS TXT, by
 * uciprov over HTTPS (signed, verified, planned, atomic, confirmed), by a busybox shell script over plain HTTP that checks nothing, and by the least that
 * Node can make the same requests with, in turn. Bar: at 30 ms, uciprov takes at most 0.6 of the script's time.
 */
const RUNS = Number(process.argv[2] ?? 7);
const ROUND_TRIP = Number(process.argv[3] ?? 30);
const BAR = 0.6;
const NAME = "_uciprov.bench.example";
const PACKAGES = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"];

/** In RAM unless TMPDIR says otherwise: a disk's flushes, for which the script does not wait, are as fast as that disk. */
const MEDIUM = process.env.TMPDIR ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

const folder = mkdtempSync(join(MEDIUM, "uciprov-first-"));
await bundleBed();
makeTree(join(folder, "tree"));
const link = await slowLink(ROUND_TRIP / 2);
let provider;
try {
  provider = await startProvider();
  makeFactory(join(folder, "factory"));
  const rounds = [];
  for (let run = 0; run <= RUNS; run++) {
    const ours = await timed(byUciprov);
    const theirs = await timed(byHand);
    const least = await timed(byLeast);
    const bare = await ended(byNothing);
    if (run > 0) rounds.push({ ours, theirs, least, bare });
  }
  tell(rounds);
} finally {
  provider?.kill();
  link.close();
  clear(join(folder, "root"));
  rmSync(folder, { recursive: true, force: true });
}

async function bundleBed() {
  const bundle = await rolldown({
    input: "bench/slow-bed.ts",
    platform: "node",
    external: [/^node:/, /^[a-z@]/],
    logLevel: "silent",
  });
  await bundle.write({ file: "build/slow-bed.mjs", format: "esm" });
  await bundle.close();
}

/** Eight files of some 3 kB each, one overlay of 61 files and 1 MB that hardly compresses: the same bytes every time. */
function makeTree(tree) {
  mkdirSync(tree, { recursive: true });
  for (const name of PACKAGES) {
    const sections = Array.from({ length: 25 }, (_, n) =>
      [
        `config thing 'thing${n}'`,
        `\toption enabled '1'`,
        `\toption label '${name} number ${n}'`,
        `\tlist member 'a${n}'`,
        `\tlist member 'b${n}'`,
        "",
      ].join("\n"),
    );
    writeFileSync(join(tree, `${name}.uci`), `package ${name}\n\n${sections.join("\n")}`);
  }
  writeFileSync(join(tree, "list"), `${PACKAGES.join("\n")}\n`);
  const overlay = join(folder, "overlay");
  mkdirSync(join(overlay, "srv/www"), { recursive: true });
  for (let n = 0; n < 61; n++) writeFileSync(join(overlay, "srv/www", `page${n}`), noise(n, 16_800));
  execFileSync("tar", ["-C", overlay, "--owner=0", "--group=0", "-czf", join(tree, "overlay.tar.gz"), "."]);
}

function noise(seed, size) {
  const blocks = [];
  for (let n = 0; n * 32 < size; n++) blocks.push(createHash("sha256").update(`${seed} ${n}`).digest());
  return Buffer.concat(blocks).subarray(0, size);
}

async function startProvider() {
  const child = spawn(
    "ip",
    ["netns", "exec", link.provider, process.execPath, "bench/first-run-provider.mjs", folder, NAME],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit").then(() =>
    Promise.reject(new Error("the provider ended; is there nginx, and dnsmasq?")),
  );
  await Promise.race([once(child.stdout, "data"), ended]);
  ended.catch(() => undefined); // by our own hand, when all is measured
  return child;
}

function makeFactory(root) {
  cpSync("fixtures/devices/factory", root, { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(root, "etc/uciprov"), { recursive: true });
  cpSync(join(folder, "trust"), join(root, "etc/uciprov/keys"), { recursive: true });
  cpSync(join(folder, "ca.pem"), join(root, "etc/uciprov/ca.pem"));
  const settings = [
    "config uciprov 'main'\n\tlist ca '/etc/uciprov/ca.pem'\n\toption tries '1'\n",
    `config uciprov 'dns'\n\toption name '${NAME}'\n\tlist server '192.0.2.1'\n`,
    ...PACKAGES.map(
      (name) => `config resource '${name}'\n\toption module 'uci'\n\toption uri '{base_uri}/${name}.uci'\n`,
    ),
  ];
  writeFileSync(join(root, "etc/config/uciprov"), settings.join("\n"));
}

function clear(root) {
  if (existsSync(join(root, "tmp"))) execFileSync("umount", [join(root, "tmp")]);
  rmSync(root, { recursive: true, force: true });
}

/** Milliseconds of one run on a device nobody has touched; throws if the device is not what the tree says afterwards. */
async function timed(run) {
  const root = join(folder, "root");
  clear(root);
  cpSync(join(folder, "factory"), root, { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(root, "tmp"), { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(root, "tmp")]); // as on a device, wherever the rest lies
  execFileSync("sync", ["-f", root]); // what the run before left unwritten is not this one's to flush
  const milliseconds = await ended(run, root);
  const isDone =
    existsSync(join(root, "srv/www/page60")) && PACKAGES.every((name) => existsSync(join(root, "etc/config", name)));
  if (!isDone) throw new Error(`${run.name} has not done what the tree says`);
  return milliseconds;
}

async function ended(run, root) {
  const begun = performance.now();
  const child = run(root);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${run.name} ended with ${status}: ${said}`);
  return performance.now() - begun;
}

/** How fast the processor is just then: what a program takes of the time above the round trips depends on it, and what the script takes hardly. */
function byNothing() {
  return inDevice([process.execPath, ...DEVICE_FLAGS, "-e", "0"], {});
}

function byUciprov(root) {
  return inDevice([process.execPath, ...DEVICE_FLAGS, "dist/uciprov.cjs", "run", "--root", root], {
    UV_THREADPOOL_SIZE: "2",
  });
}

function byHand(root) {
  return inDevice(["busybox", "sh", "bench/by-hand.sh", root, NAME, "192.0.2.1"], {});
}

function byLeast(root) {
  const script = ["bench/first-run-least.cjs", root, join(folder, "ca.pem"), NAME, "192.0.2.1", ...PACKAGES];
  return inDevice([process.execPath, ...DEVICE_FLAGS, ...script], { UV_THREADPOOL_SIZE: "2" });
}

function inDevice(command, more) {
  const { NODE_EXTRA_CA_CERTS: _left, NODE_OPTIONS: _out, ...env } = process.env;
  return spawn("ip", ["netns", "exec", link.device, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, ...more },
  });
}

function tell(rounds) {
  const figure = (pick) => median(rounds.map(pick)).toFixed(0);
  const best = (pick) => Math.min(...rounds.map(pick));
  const ratios = (pick) => {
    const ratio = median(rounds.map((round) => pick(round) / round.theirs));
    return { ratio, told: `${ratio.toFixed(2)} (best runs ${(best(pick) / best(({ theirs }) => theirs)).toFixed(2)})` };
  };
  const ours = ratios((round) => round.ours);
  console.log(
    [
      `first run, Node ${process.version}, round trip ${ROUND_TRIP} ms, device on ${MEDIUM}, ${RUNS} rounds, a bare Node ${figure(({ bare }) => bare)} ms: by hand ${figure(({ theirs }) => theirs)} ms`,
      `  uciprov         ${figure((round) => round.ours)} ms, ${ours.told} of that   bar: ${BAR} at 30 ms`,
      `  the least Node  ${figure(({ least }) => least)} ms, ${ratios(({ least }) => least).told} of that`,
    ].join("\n"),
  );
  if (ROUND_TRIP === 30 && ours.ratio > BAR) {
    console.log("OVER");
    process.exitCode = 1;
  }
}
