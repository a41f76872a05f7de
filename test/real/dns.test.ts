import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ask, Told } from "./ask-dns.ts";
import { bundled, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("dnsmasq", "knotd", "unbound", "named");
if (missing) console.warn(`skipped: name servers of others (${missing})`);

const LONG = Array.from({ length: 12 }, (_, i) => `long TXT "k${i}=${"v".repeat(200)}"`).join("\n");
const ZONE = `$ORIGIN fleet.example.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.1
_uciprov TXT "provuri=https://cfg.fleet.example/{mac}/" "serial=42" "site=north"
several TXT "provuri=https://cfg.fleet.example/"
several TXT "serial=7"
alias CNAME alias2
alias2 CNAME _uciprov
circle CNAME circle2
circle2 CNAME circle
empty A 192.0.2.7
bytes TXT "\\000\\255\\010x"
*.wild TXT "provuri=https://wild.fleet.example/"
${LONG}
`;

describe.skipIf(missing)("name servers of others, between two hosts", () => {
  let net: TwoHosts;
  let script: string;

  beforeAll(async () => {
    net = twoHosts();
    script = await bundled(new URL("ask-dns.ts", import.meta.url), net.folder);
    net.prov.file("fleet.example.zone", ZONE);
    await startKnot();
    await startNamed();
    await startUnbound();
    await startDnsmasq();
  });

  afterAll(() => net?.close());

  async function ask(server: string | readonly string[], name: string, deadline = 4000): Promise<Told> {
    const question: Ask = { name, servers: [server].flat(), deadline };
    const { stdout, stderr } = await net.dev.run(process.execPath, [script], { input: JSON.stringify(question) });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Told;
  }

  const SERVERS = {
    knot: "192.0.2.1#5301",
    bind: "192.0.2.1#5302",
    "unbound, asking knot": "192.0.2.1#5303",
    "dnsmasq, forwarding to unbound": "192.0.2.1",
    "dnsmasq over IPv6": "2001:db8:1::1",
    "knot over IPv6": "2001:db8:1::1#5301",
  };

  describe.each(Object.entries(SERVERS))("%s", (_, server) => {
    test("strings of one record stand in order", async () => {
      const answer = await ask(server, "_uciprov.fleet.example");
      expect(answer.records).toEqual([["provuri=https://cfg.fleet.example/{mac}/", "serial=42", "site=north"]]);
      expect(answer.log).toEqual([]);
    });

    test("several records, an alias of an alias, any bytes, a wildcard", async () => {
      expect((await ask(server, "several.fleet.example")).records).toHaveLength(2);
      expect(await ask(server, "alias.fleet.example")).toMatchObject({
        kind: "records",
        name: "_uciprov.fleet.example",
      });
      expect((await ask(server, "bytes.fleet.example")).records).toEqual([["\0\xff\nx"]]);
      expect((await ask(server, "any.wild.fleet.example")).records).toEqual([["provuri=https://wild.fleet.example/"]]);
    });

    test("no such name and no TXT there are told apart", async () => {
      expect((await ask(server, "none.fleet.example")).kind).toBe("no-name");
      expect((await ask(server, "empty.fleet.example")).kind).toBe("no-data");
    });

    test("an answer too long for a datagram comes over TCP", async () => {
      const { records } = await ask(server, "long.fleet.example");
      expect(records).toHaveLength(12);
    });

    test("aliases in a circle are a failure, not a hang", async () => {
      expect((await ask(server, "circle.fleet.example")).kind).toMatch(/^(?:DNS_FAILED|no-data|no-name)$/);
    });
  });

  test("a link-local server is reached through its zone", async () => {
    expect((await ask("fe80::1%eth0", "_uciprov.fleet.example")).kind).toBe("records");
  });

  test("dnsmasq's own txt-record is understood", async () => {
    expect((await ask("192.0.2.1", "own.dnsmasq.example")).records).toEqual([
      ["provuri=http://own.example/", "serial=3"],
    ]);
  });

  test("a server that refuses the zone is passed over; alone it is DNS_FAILED", async () => {
    expect((await ask(["192.0.2.1#5301", "192.0.2.1#5302"], "other.example")).kind).toBe("DNS_FAILED");
    expect((await ask(["192.0.2.1#5301", "192.0.2.1"], "own.dnsmasq.example")).kind).toBe("records");
  });

  test("a server whose own upstream is dead is DNS_FAILED or DNS_TIMEOUT; one that is not there leaves the word to the next", async () => {
    expect((await ask("192.0.2.1#5303", "dead.example", 3000)).kind).toMatch(/^DNS_(?:FAILED|TIMEOUT)$/);
    expect((await ask(["192.0.2.1#5399", "192.0.2.1"], "_uciprov.fleet.example")).kind).toBe("records");
    expect((await ask(["192.0.2.77", "192.0.2.1"], "_uciprov.fleet.example", 6000)).kind).toBe("records");
  });

  async function startKnot() {
    const config = net.prov.file(
      "knot.conf",
      `server:
  rundir: ${net.folder}
  listen: [ 0.0.0.0@5301, ::@5301 ]
database:
  storage: ${net.folder}/knot-db
log:
  - target: stderr
    any: info
zone:
  - domain: fleet.example
    file: ${net.folder}/fleet.example.zone
`,
    );
    net.prov.start("knotd", ["-c", config]);
    await net.prov.listens("tcp", 5301);
  }

  async function startNamed() {
    const config = net.prov.file(
      "named.conf",
      `options { directory "${net.folder}"; pid-file "${net.folder}/named.pid"; session-keyfile "${net.folder}/session.key";
  listen-on port 5302 { any; }; listen-on-v6 { none; }; recursion no; };
controls { };
zone "fleet.example" { type primary; file "fleet.example.zone"; };
`,
    );
    net.prov.start("named", ["-g", "-c", config]);
    await net.prov.listens("tcp", 5302);
  }

  async function startUnbound() {
    const config = net.prov.file(
      "unbound.conf",
      `server:
  interface: 0.0.0.0@5303
  access-control: 0.0.0.0/0 allow
  do-not-query-localhost: no
  chroot: ""
  username: ""
  directory: "${net.folder}"
  pidfile: "${net.folder}/unbound.pid"
  use-syslog: no
  module-config: "iterator"
remote-control:
  control-enable: no
stub-zone:
  name: "fleet.example"
  stub-addr: 192.0.2.1@5301
stub-zone:
  name: "dead.example"
  stub-addr: 192.0.2.1@5398
`,
    );
    net.prov.start("unbound", ["-d", "-c", config]);
    await net.prov.listens("tcp", 5303);
  }

  async function startDnsmasq() {
    net.prov.start("dnsmasq", [
      ...["-k", "-C", "/dev/null", "--user=root", "--no-hosts", "--no-resolv", `--pid-file=${net.folder}/dnsmasq.pid`],
      "--server=192.0.2.1#5303",
      "--txt-record=own.dnsmasq.example,provuri=http://own.example/,serial=3",
    ]);
    await net.prov.listens("tcp", 53);
  }
});
