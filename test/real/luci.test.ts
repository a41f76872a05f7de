/** LuCI's page in a real browser: what it shows, what its buttons call, and that nothing it is told becomes HTML. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

const PAGE = "openwrt-package/luci-app-uciprov";
const HOSTILE = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>&amp;'"%s$&`;
const NO_BROWSER = spawnSync("chromium", ["--version"]).status === 0 ? undefined : "chromium is not installed";
if (NO_BROWSER !== undefined && process.env["UCIPROV_REQUIRE_REAL"] === "1") throw new Error(NO_BROWSER);

const ERROR = { code: "FETCH_FAILED", exit: "try-later", message: `asking ${HOSTILE}` };
const PLAN = {
  firmware: { from: "r1-aaaa", revision: HOSTILE },
  software: { install: [{ name: HOSTILE }], remove: [{ name: "ppp" }] },
  reboots: [HOSTILE],
  tree: {
    uri: `https://tree.example/${HOSTILE}`,
    acceptedBy: "signature",
    reason: HOSTILE,
    resolver: "dns",
    serial: 42,
  },
  packages: [
    {
      name: "network",
      diff: {
        package: "network",
        change: "changed",
        sections: [
          {
            section: "wan",
            type: "interface",
            change: "changed",
            options: [
              { option: "proto", before: "dhcp", after: "static" },
              { option: "hostname", after: HOSTILE },
              { option: "password", secret: true },
            ],
          },
        ],
      },
    },
  ],
  files: [{ path: `/etc/${HOSTILE}`, act: "new" }],
  services: [{ name: "network", act: "reload", because: "its package changes" }],
  drift: [{ path: `/etc/drift-${HOSTILE}`, isKept: true }],
};
const ANSWERS = {
  status: {
    version: 1,
    state: "ended",
    ended: "2026-11-22T23:00:00.000Z",
    exit: "try-later",
    result: "failed",
    told: HOSTILE,
    stages: [
      { stage: "recover", milliseconds: 1 },
      { stage: "geturi", milliseconds: 12, error: ERROR },
    ],
    error: ERROR,
  },
  overview: {
    confirmed: { base: `https://tree.example/${HOSTILE}`, serial: 41, resolver: HOSTILE, at: 1_790_000_000 },
    owner: { kind: "keys", fingerprints: [HOSTILE, "0123456789abcdef"], threshold: 1 },
    failed: { attempts: 2, reason: HOSTILE },
    transaction: { id: HOSTILE, state: "trial" },
  },
  history: {
    generations: [
      { number: 3, at: 1_790_000_000, tree: { uri: HOSTILE, serial: 41 }, paths: 7 },
      { number: 2, at: 1_780_000_000, tree: { uri: "https://tree.example/b", serial: 40 }, paths: 2 },
      { number: HOSTILE, at: HOSTILE, tree: HOSTILE },
    ],
  },
  plan: { started: true, by: "process" },
  explain: { started: false, running: true },
  run: { started: true, by: "daemon" },
  rollback: {},
};
const ANSWER_OF_JOB = {
  plan: { state: "ended", answer: { exit: "provisioned", told: HOSTILE, plan: PLAN } },
  explain: {
    state: "ended",
    answer: {
      answers: [{ resolver: "dns", uri: HOSTILE, why: HOSTILE, trust: "must be signed by a key of the device" }],
    },
  },
};

/** Text inside a script: no `</script>` and no `<!--` in it. */
const literal = (value: unknown) => JSON.stringify(value).replaceAll("<", "\\u003c");

function page(): string {
  const source = readFileSync(join(PAGE, "htdocs/luci-static/resources/view/uciprov/status.js"), "utf8");
  const [standIns, drive] = ["stand-ins", "drive"].map((name) => readFileSync(`test/real/luci-${name}.js`, "utf8"));
  const data = `const SOURCE = ${literal(source)};
const JOBS = ${literal(ANSWER_OF_JOB)};
const ANSWERS = { ...${literal(ANSWERS)}, result: ({ job }) => JOBS[job] };`;
  const style =
    "body{font:14px sans-serif;margin:2em} table{border-collapse:collapse} td,th{padding:2px 12px;text-align:left;vertical-align:top}";
  return `<!doctype html><meta charset="utf-8"><style>${style}</style><body><div id="view"></div>
<script>${standIns}</script><script>${data}</script><script>${drive}</script></body>`;
}

let result: Record<string, unknown>;
beforeAll(() => {
  if (NO_BROWSER !== undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "uciprov-luci-"));
  try {
    writeFileSync(join(folder, "page.html"), page());
    const common = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      `--user-data-dir=${folder}/profile`,
    ];
    const uri = `file://${folder}/page.html`;
    const dump = execFileSync("chromium", [...common, "--virtual-time-budget=20000", "--dump-dom", uri], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 100_000,
    });
    const found = /<pre id="result" hidden="">([^<]*)<\/pre>/.exec(dump)?.[1] ?? "";
    result = JSON.parse(
      found.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&nbsp;", "\u00a0").replaceAll("&amp;", "&"),
    );
    const picture = process.env["UCIPROV_PICTURE"];
    if (picture !== undefined) {
      const shoot = [
        "--virtual-time-budget=20000",
        "--window-size=1100,1500",
        `--screenshot=${picture}`,
        `${uri}#picture`,
      ];
      execFileSync("chromium", [...common, ...shoot], { stdio: "ignore", timeout: 100_000 });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}, 240_000);

test("the page opens, and only asks", () => {
  expect(result["failed"]).toBeUndefined();
  expect(result["loaded"]).toEqual([
    ["status", {}],
    ["overview", {}],
    ["history", {}],
    ["result", { job: "plan" }],
    ["result", { job: "explain" }],
  ]);
});

test("a person sees stages, the last run, the plan, who was asked, the owner and the generations", () => {
  for (const words of [
    "geturi",
    "FETCH_FAILED",
    "12 ms",
    "serial 41",
    "0123456789abcdef",
    "must be signed by a key",
    "the device is here",
    "trial",
  ]) {
    expect(result["text"]).toContain(words);
  }
  expect(result["diff"]).toEqual([
    `~ firmware r1-aaaa → ${HOSTILE}`,
    `+ package ${HOSTILE}`,
    "- package ppp",
    "/etc/config/network",
    "~ config interface wan",
    "- \tproto dhcp",
    "+ \tproto static",
    `+ \thostname ${HOSTILE}`,
    "~ \tpassword (secret)",
    `+ new /etc/${HOSTILE}`,
    "~ reload network: its package changes",
    `! the device reboots: ${HOSTILE}`,
    `! changed on the device: /etc/drift-${HOSTILE}`,
  ]);
});

test("whatever a network wrote stays text: it is there to read, makes no element and runs nothing", () => {
  expect(String(result["text"]).split(HOSTILE).length).toBeGreaterThan(10);
  expect({ hacked: result["hacked"], elements: result["elements"] }).toEqual({ hacked: null, elements: 0 });
});

test("run and rollback ask first; cancelled, nothing is called", () => {
  expect([result["asked"], result["cancelled"], result["ran"], result["modalAfter"]]).toEqual([
    "Run now?",
    [],
    [["run", { force: false }]],
    null,
  ]);
  expect(result["askedBack"]).toContain("generation 2");
  expect(result["wentBack"]).toEqual([["rollback", { generation: 2 }]]);
});

test("plan and explain are started, shown while they run, and told about", () => {
  expect([result["started"], result["whileRunning"]]).toEqual([
    [
      ["plan", {}],
      ["explain", {}],
    ],
    2,
  ]);
  expect(result["notices"]).toEqual([
    "It has been started.",
    "It could not be started.",
    "It has been started.",
    "It is under way already.",
  ]);
});

test("what is asked every few seconds starts no Node on the device, until a run has ended", () => {
  expect(result["polled"]).toEqual(["status", "result", "result"]);
  expect(result["afterRun"]).toEqual(["status", "result", "result", "overview", "history"]);
});

test("answers of another shape leave a page, not a fault", () => {
  expect(result["odd"]).toEqual(["Provisioning", "Provisioning", "Provisioning", "Provisioning", "Provisioning"]);
});
