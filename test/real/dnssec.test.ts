import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AskSecure, Verdicts } from "./ask-dnssec.ts";
import { bundled, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { BIND_PORT, makeZones, NSEC3, startServers, withoutSignatures, type Zone } from "./setup-zones.ts";

const missing = whyNoHosts("named", "unbound", "dnsmasq", "dnssec-keygen", "dnssec-signzone", "dig");
if (missing) console.warn(`skipped: DNSSEC against bind and unbound (${missing})`);

const ZONES: Readonly<Record<string, Omit<Zone, "text">>> = {
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
const NAMES = [
  ...["prov", "alias", "x.wild", "nope", "deep.nope", "a.empty", "empty", "host", "long"],
  ...["prov.moved", "moved", "nope.moved", "a.b.moved", "prov.abroad", "prov.plainly"],
];
const TEXT = `prov TXT "provuri=https://genuine.example/" "serial=1"
alias CNAME prov
*.wild TXT "provuri=https://wild.example/"
host A 192.0.2.9
a.empty A 192.0.2.9
moved DNAME land
prov.land TXT "provuri=https://genuine.example/moved/"
abroad DNAME p256.test.
plainly DNAME unsigned.test.
${Array.from({ length: 9 }, (_, i) => `long TXT "k${i}=${"v".repeat(200)}"`).join("\n")}`;

describe.skipIf(missing)("DNSSEC with bind's zones and unbound's verdicts", () => {
  let net: TwoHosts;
  let script: string;
  let anchor: string;

  beforeAll(async () => {
    net = twoHosts();
    script = await bundled(new URL("ask-dnssec.ts", import.meta.url), net.folder);
    const zones = Object.entries(ZONES).map(([name, zone]) => [name, { ...zone, text: TEXT }]);
    anchor = await makeZones(net, Object.fromEntries(zones));
    await startServers(net, Object.keys(ZONES), anchor);
  }, 180_000);

  afterAll(() => net?.close());

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
    expect(await ours(`192.0.2.1#${BIND_PORT}`)).toEqual(await ours("192.0.2.1"));
  });

  test("through the device's own dnsmasq, which only forwards, once and again from its cache, they are the same", async () => {
    const config = net.dev.file(
      "forward.conf",
      `user=root\nno-hosts\nno-resolv\nserver=192.0.2.1\nlisten-address=127.0.0.1\nbind-interfaces\npid-file=${net.folder}/f.pid\n`,
    );
    net.dev.start("dnsmasq", ["-k", "-C", config]);
    await net.dev.listens("udp", 53);
    const direct = await ours("192.0.2.1");
    expect(await ours("127.0.0.1")).toEqual(direct);
    expect(await ours("127.0.0.1")).toEqual(direct);
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
    const redirected = ["prov.moved", "nope.moved", "prov.abroad", "prov.plainly"];
    expect(redirected.map((name) => verdicts[`${name}.ed25519.test`])).toEqual([
      "records",
      "no-name",
      "records",
      "insecure",
    ]);
  });
});

function tally(verdicts: Verdicts): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const verdict of Object.values(verdicts)) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}
