import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/**
 * node scripts/ci-suites.mjs FOLDER NODE…
 *
 * Runs every suite, here, on other versions of Node (unpacked as FOLDER/node-NODE/bin) and on other processors (FOLDER/processor-CPU), and adds up what vitest counted; a suite without
 * vitest counts as one. The last line is "N passed, N failed, N skipped". A suite against real peers in which a file passed nothing, or
 * in which anything was skipped, has failed: nobody would notice otherwise.
 */
const [folder, ...nodes] = process.argv.slice(2);

/** `counts`: vitest runs in it. `isReal`: nothing of it may be skipped. */
const suites = [
  { name: "verify", args: ["run", "verify"], counts: true },
  { name: "real", args: ["run", "test:real"], counts: true, isReal: true },
  { name: "demo", args: ["run", "demo"] },
  ...nodes.flatMap((node) => [
    { name: `test on Node ${node}`, node, args: ["test"], counts: true },
    { name: `demo on Node ${node}`, node, args: ["run", "demo"] },
  ]),
  ...processors().map(({ cpu, words }) => ({
    name: `scenarios on ${cpu}`,
    args: ["run", "test:processors"],
    counts: true,
    env: { UCIPROV_NODE: words },
  })),
  { name: "torture", args: ["run", "torture", "--", "--minutes", "1"] },
  { name: "torture, recover.sh", args: ["run", "torture", "--", "--minutes", "1", "--only", "recover.sh"] },
];

const results = [];
for (const [index, suite] of suites.entries()) results.push(await runSuite(suite, index));
conclude(results);

async function runSuite(suite, index) {
  const report = suite.counts ? join(folder, `suite-${index}.json`) : undefined;
  console.log(`\n══ ${suite.name}: npm ${suite.args.join(" ")}`);
  const began = performance.now();
  const status = await npm(suite, report);
  const seconds = Math.round((performance.now() - began) / 1000);
  const told = report === undefined ? one(status, suite) : counted(report, status, suite);
  console.log(`── ${suite.name}: ${inWords(told)}, ${seconds} s`);
  return { ...told, name: suite.name, seconds };
}

/** The emulated Nodes that `.ci/run` has unpacked; an old one gets what it lacks. */
function processors() {
  return readdirSync(folder)
    .filter((name) => name.startsWith("processor-"))
    .map((name) => {
      const words = readFileSync(join(folder, name), "utf8").trim();
      return {
        cpu: name.slice("processor-".length),
        words: `${words} --require ${resolve("test/processors/node-20-11.cjs")}`,
      };
    });
}

function npm(suite, report) {
  const path = suite.node === undefined ? [] : [join(folder, `node-${suite.node}`, "bin")];
  const { NODE_EXTRA_CA_CERTS: _, ...clean } = process.env;
  const env = {
    ...clean,
    PATH: [...path, process.env.PATH].join(delimiter),
    UCIPROV_REQUIRE_REAL: "1",
    ...(report === undefined ? {} : { UCIPROV_VITEST_JSON: report }),
    ...suite.env,
  };
  return new Promise((done) => {
    const child = spawn("npm", suite.args, { env, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", () => done(127));
    child.on("exit", (code, signal) => done(code ?? signal));
  });
}

function one(status, { name }) {
  return status === 0
    ? { passed: 1, failed: 0, skipped: 0, faults: [] }
    : { passed: 0, failed: 1, skipped: 0, faults: [`${name} ended with ${status}`] };
}

function counted(report, status, suite) {
  if (!existsSync(report)) return one(status === 0 ? "no report of its tests" : status, suite);
  const { testResults: files } = JSON.parse(readFileSync(report, "utf8"));
  const tests = files.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name })));
  const passed = tests.filter((test) => test.status === "passed");
  const failed = tests.filter((test) => test.status === "failed");
  const skipped = tests.filter((test) => test.status !== "passed" && test.status !== "failed");
  const faults = [
    ...failed.map((test) => `${short(test.file)}: ${test.fullName}`),
    ...files
      .filter((file) => file.status === "failed" && !fails(file))
      .map((file) => `${short(file.name)} did not run`),
    ...(suite.isReal ? notReal(files, skipped) : []),
  ];
  // Types, lint and the like go before the tests: they have failed if no test did.
  if (status !== 0 && faults.length === 0) faults.push(`${suite.name} ended with ${status}`);
  for (const test of skipped) console.log(`   skipped: ${short(test.file)}: ${test.fullName}`);
  return { passed: passed.length, failed: faults.length, skipped: skipped.length, faults };
}

function fails(file) {
  return file.assertionResults.some((test) => test.status === "failed");
}

function notReal(files, skipped) {
  const ran = new Set(
    files
      .filter((file) => file.assertionResults.some((test) => test.status === "passed"))
      .map((file) => short(file.name)),
  );
  const there = readdirSync("test/real").filter((name) => name.endsWith(".test.ts"));
  return [
    ...there.filter((name) => !ran.has(`test/real/${name}`)).map((name) => `test/real/${name} proved nothing`),
    ...skipped.map((test) => `must not be skipped here: ${test.fullName}`),
  ];
}

function short(path) {
  return path.slice(path.lastIndexOf("/test/") + 1);
}

function conclude(all) {
  const sum = (of) => all.reduce((total, result) => total + result[of], 0);
  const faults = all.flatMap((result) => result.faults.map((fault) => `${result.name}: ${fault}`));
  console.log("\n══ all suites");
  for (const result of all)
    console.log(`   ${result.name.padEnd(20)} ${inWords(result).padEnd(42)} ${result.seconds} s`);
  for (const fault of faults) console.log(`   ✗ ${fault}`);
  console.log(inWords({ passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") }));
  process.exitCode = sum("failed") === 0 && sum("passed") > 0 ? 0 : 1;
}

function inWords({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
