import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AskSecure, Verdicts } from "./ask-dnssec.ts";
import { bundled, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("named", "unbound", "dnssec-keygen", "dnssec-signzone", "dig");
if (missing) console.warn(`skipped: DNSSEC against bind and unbound (${missing})`);

interface Zone {
  readonly algorithm: string;
  readonly bits?: string;
  readonly sign?: readonly string[];
  /** What somebody does to the signed file. */
  readonly spoil?: (text: string) => string;
  /** What stands in the parent in place of the DS. */
  readonly ds?: (text: string) => string;
}

const NSEC3 = ["-3", "aabbccdd", "-H", "0"];
const ZONES: Readonly<Record<string, Zone>> = {
  rsa: { algorithm: "RSASHA256", bits: "2048" },
  rsa512: { algorithm: "RSASHA512", bits: "2048" },
  p256: { algorithm: "ECDSAP256SHA256", sign: NSEC3 },
  p384: { algorithm: "ECDSAP384SHA384" },
  ed25519: { algorithm: "ED25519" },
  ed448: { algorithm: "ED448", sign: NSEC3 },
  iterated: { algorithm: "ED25519", sign: ["-3", "ab", "-H", "20"] },
  expired: { algorithm: "ED25519", sign: ["-P", "-s", "20200101000000", "-e", "20210101000000"] },
  future: { algorithm: "ED25519", sign: ["-P", "-s", "20300101000000", "-e", "20310101000000"] },
  tampered: { algorithm: "ED25519", spoil: (text) => text.replaceAll("genuine", "altered") },
  stripped: { algorithm: "ED25519", spoil: (text) => withoutSignatures(text, "TXT") },
  wrongds: {
    algorithm: "ED25519",
    ds: (text) => text.replace(/[0-9A-F]{4}\s*$/m, (end) => (end.startsWith("0000") ? "1111\n" : "0000\n")),
  },
  sha1: { algorithm: "RSASHA1", bits: "2048" },
  optout: { algorithm: "ED25519", sign: [...NSEC3, "-A"] },
  unknown: { algorithm: "ED25519", ds: (text) => text.replace(" 15 2 ", " 200 2 ") },
  unsigned: { algorithm: "", ds: () => "" },
};
const NAMES = ["prov", "alias", "x.wild", "nope", "deep.nope", "a.empty", "empty", "host", "long"];

describe.skipIf(missing)("DNSSEC with bind's zones and unbound's verdicts", () => {
  let net: TwoHosts;
  let script: string;
  let anchor: string;

  beforeAll(async () => {
    net = twoHosts();
    script = await bundled(new URL("ask-dnssec.ts", import.meta.url), net.folder);
    const dsOf: string[] = [];
    for (const [name, zone] of Object.entries(ZONES)) dsOf.push(await makeZone(`${name}.test`, zone));
    const children = Object.keys(ZONES)
      .map((name) => `${name} NS ns\n`)
      .join("");
    await makeZone("test", { algorithm: "ECDSAP256SHA256", sign: NSEC3 }, children + dsOf.join("\n"));
    anchor = readFileSync(join(net.folder, "dsset-test."), "utf8").trim().split("\n")[0] ?? "";
    await startNamed();
    await startUnbound();
  }, 180_000);

  afterAll(() => net?.close());

  async function tool(command: string, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await net.prov.run(
      "sh",
      ["-c", 'cd "$0" && exec "$@"', net.folder, command, ...args],
      { seconds: 60 },
    );
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Writes and signs a zone; the lines its parent has of it. */
  async function makeZone(name: string, zone: Zone, more = ""): Promise<string> {
    const text = `$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.1
prov TXT "provuri=https://genuine.example/" "serial=1"
alias CNAME prov
*.wild TXT "provuri=https://wild.example/"
host A 192.0.2.9
a.empty A 192.0.2.9
${Array.from({ length: 9 }, (_, i) => `long TXT "k${i}=${"v".repeat(200)}"`).join("\n")}
${more}
`;
    net.prov.file(`${name}.zone`, `$ORIGIN ${name}.\n${text}`);
    if (zone.algorithm === "") {
      net.prov.file(`${name}.signed`, `$ORIGIN ${name}.\n${text}`);
      return "";
    }
    const bits = zone.bits === undefined ? [] : ["-b", zone.bits];
    await tool("dnssec-keygen", "-q", "-a", zone.algorithm, ...bits, "-f", "KSK", name);
    await tool("dnssec-keygen", "-q", "-a", zone.algorithm, ...bits, name);
    const dates = zone.sign?.includes("-s") ? [] : ["-s", "20250101000000", "-e", "20350101000000"];
    await tool(
      "dnssec-signzone",
      "-q",
      "-S",
      ...dates,
      ...(zone.sign ?? []),
      "-o",
      name,
      "-f",
      `${name}.signed`,
      `${name}.zone`,
    );
    const signed = join(net.folder, `${name}.signed`);
    if (zone.spoil) writeFileSync(signed, zone.spoil(readFileSync(signed, "utf8")));
    const ds = readFileSync(join(net.folder, `dsset-${name}.`), "utf8");
    return zone.ds ? zone.ds(ds) : ds;
  }

  async function startNamed() {
    const zones = ["test", ...Object.keys(ZONES).map((name) => `${name}.test`)];
    const config = net.prov.file(
      "named.conf",
      `options { directory "${net.folder}"; pid-file "${net.folder}/named.pid"; session-keyfile "${net.folder}/session.key";
  listen-on port 5302 { any; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; };
controls { };
${zones.map((name) => `zone "${name}" { type primary; file "${name}.signed"; };`).join("\n")}
`,
    );
    net.prov.start("named", ["-g", "-c", config]);
    await net.prov.listens("tcp", 5302);
  }

  async function startUnbound() {
    const anchors = net.prov.file("anchors", `${anchor}\n`);
    const config = net.prov.file(
      "unbound.conf",
      `server:
  interface: 0.0.0.0@53
  access-control: 0.0.0.0/0 allow
  do-not-query-localhost: no
  chroot: ""
  username: ""
  directory: "${net.folder}"
  pidfile: "${net.folder}/unbound.pid"
  use-syslog: no
  module-config: "validator iterator"
  trust-anchor-file: "${anchors}"
  local-zone: "test." nodefault
  val-log-level: 2
remote-control:
  control-enable: no
stub-zone:
  name: "test"
  stub-addr: 192.0.2.1@5302
${Object.keys(ZONES)
  .map((name) => `stub-zone:\n  name: "${name}.test"\n  stub-addr: 192.0.2.1@5302`)
  .join("\n")}
`,
    );
    net.prov.start("unbound", ["-d", "-c", config]);
    await net.prov.listens("tcp", 53);
  }

  async function ours(server: string): Promise<Verdicts> {
    const names = Object.keys(ZONES).flatMap((zone) => NAMES.map((name) => `${name}.${zone}.test`));
    const question: AskSecure = { names, server, anchors: [anchor], now: Date.UTC(2026, 5, 1) };
    const { stdout, stderr } = await net.dev.run(process.execPath, [script], {
      input: JSON.stringify(question),
      seconds: 120,
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Verdicts;
  }

  /** unbound's word for a name: its status, and whether it says that this is proven. */
  async function unbounds(name: string): Promise<string> {
    const { stdout } = await net.dev.run("dig", ["+adflag", "+tries=1", "+time=8", "@192.0.2.1", name, "TXT"]);
    const status = /status: (\w+)/.exec(stdout)?.[1] ?? "none";
    const isProven = /flags: [^;]*\bad\b/.test(stdout);
    if (status === "SERVFAIL") return "refused";
    if (!isProven) return "insecure";
    if (status === "NXDOMAIN") return "no-name";
    return /ANSWER: 0/.test(stdout) ? "no-data" : "records";
  }

  const asUnbound = (verdict: string) => (/^(?:DNSSEC_BOGUS|CLOCK_WRONG)$/.test(verdict) ? "refused" : verdict);

  test("every verdict is unbound's, but for SHA-1, which unbound still believes and we do not", async () => {
    const throughUnbound = await ours("192.0.2.1");
    const differ: string[] = [];
    for (const [name, verdict] of Object.entries(throughUnbound)) {
      const theirs = await unbounds(name);
      if (name.endsWith(".sha1.test")) expect(verdict).toBe("insecure");
      else if (asUnbound(verdict) !== theirs) differ.push(`${name}: ours ${verdict}, unbound's ${theirs}`);
    }
    console.info(`${Object.keys(throughUnbound).length} verdicts compared: ${JSON.stringify(tally(throughUnbound))}`);
    expect(differ).toEqual([]);
  });

  test("asked itself, without a recursive server between, bind's answers have the same verdicts", async () => {
    expect(await ours("192.0.2.1#5302")).toEqual(await ours("192.0.2.1"));
  });

  test("each kind of zone has the verdict it was made for", async () => {
    const verdicts = await ours("192.0.2.1");
    const found = Object.fromEntries(Object.keys(ZONES).map((zone) => [zone, verdicts[`prov.${zone}.test`]]));
    expect(found).toEqual({
      rsa: "records",
      rsa512: "records",
      p256: "records",
      p384: "records",
      ed25519: "records",
      ed448: "records",
      iterated: "records",
      expired: "DNSSEC_BOGUS",
      future: "CLOCK_WRONG",
      tampered: "DNSSEC_BOGUS",
      stripped: "DNSSEC_BOGUS",
      wrongds: "DNSSEC_BOGUS",
      sha1: "insecure",
      optout: "records",
      unknown: "insecure",
      unsigned: "insecure",
    });
  });
});

function withoutSignatures(text: string, type: string): string {
  return text.replaceAll(new RegExp(`^[^\\n]*\\bRRSIG\\s+${type}\\b[^(]*\\([^)]*\\)[^\\n]*\\n`, "gm"), "");
}

function tally(verdicts: Verdicts): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const verdict of Object.values(verdicts)) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}
