import { describe, expect, test } from "vitest";
import { exchange, PROGRAMS, plan, section } from "./scene.ts";

describe("what is refused, with its place", () => {
  const extension = (options: Readonly<Record<string, string>>) =>
    section("extension", { number: "101", secret: "one", ...options });
  const gateway = (options: Readonly<Record<string, string | readonly string[]>>) =>
    section("gateway", { id: "one", host: "192.0.2.1", ...options });
  test.each<[string, string, RegExp]>([
    [
      "a line break in a secret",
      extension({ secret: "a\nb" }),
      /^error beesip\.@extension\[0\]\.secret: .*control character/,
    ],
    ["a line break in a name", extension({ name: "a\nexten => _X!,1,System(id)" }), /@extension\[0\]\.name: .*control/],
    ["a carriage return", extension({ secret: "a\rb" }), /@extension\[0\]\.secret/],
    ["a space at the end of a secret", extension({ secret: "a " }), /@extension\[0\]\.secret: .*space/],
    ["half a character", extension({ name: "a\u2028b" }), /@extension\[0\]\.name/],
    ["a secret of 129 characters", extension({ secret: "x".repeat(129) }), /@extension\[0\]\.secret: .*128/],
    ["no secret", section("extension", { number: "101" }), /@extension\[0\]\.secret: .*missing/],
    ["a number with a letter", extension({ number: "10a" }), /@extension\[0\]\.number/],
    ["a number that is a section", extension({ number: "]" }), /@extension\[0\]\.number/],
    ["a number that is a function", extension({ number: `\${SHELL(id)}` }), /@extension\[0\]\.number/],
    ["a pattern as a number", extension({ number: "_X." }), /@extension\[0\]\.number/],
    [
      "two extensions of one number",
      extension({}) + extension({}),
      /@extension\[1\]\.number: .*"101", which beesip\.@extension\[0\] is already/,
    ],
    ["a host with a line", gateway({ host: "a\nb" }), /@gateway\[0\]\.host/],
    ["a host with a parameter", gateway({ host: "a;transport=tls" }), /@gateway\[0\]\.host/],
    ["a host with a section", gateway({ host: "gw]" }), /@gateway\[0\]\.host/],
    ["a host that is a number", gateway({ host: "1.2.3.400" }), /@gateway\[0\]\.host/],
    ["an id with a bracket", gateway({ id: "a]b" }), /@gateway\[0\]\.id/],
    ["a network that is none", gateway({ match: ["192.0.2.0/33"] }), /@gateway\[0\]\.match/],
    ["a user without a password", gateway({ username: "u" }), /@gateway\[0\]: .*username and password/],
    ["a port too high", gateway({ port: "65536" }), /@gateway\[0\]\.port/],
    ["a prefix of letters", section("route", { prefix: "+42X", gateway: ["one"] }), /@route\[0\]\.prefix/],
    [
      "a prepended function",
      section("route", { prefix: "+42", prepend: `\${X}`, gateway: ["one"] }),
      /@route\[0\]\.prepend/,
    ],
    ["a MAC address that is none", section("phone", { mac: "00:15:65" }), /@phone\[0\]\.mac/],
    ["a model that is a path", section("phone", { mac: "001565000001", model: "../x" }), /@phone\[0\]\.model/],
    [
      "a phone without its extension",
      section("phone", { mac: "001565000001", extension: ["999"] }),
      /@phone\[0\]\.extension: .*999 is no extension/,
    ],
    ["a host that no SIP program holds", gateway({ host: `${"a.".repeat(70)}example` }), /@gateway\[0\]\.host.*127/],
    [
      "a login that no SIP URI holds: its registration would be dropped without a word",
      gateway({ username: "\u00e9;".repeat(20), password: "p" }),
      /@gateway\[0\]\.username.*100/,
    ],
    [
      "a phone with a number twice",
      extension({}) + section("phone", { mac: "001565000001", extension: ["101", "101"] }),
      /@phone\[0\]\.extension.*twice/,
    ],
    ["a codec nobody knows", gateway({ codec: ["a,b"] }), /@gateway\[0\]\.codec/],
  ])("%s", async (_, more, wanted) => {
    const { told, changes } = await plan(exchange({}, more));
    expect(told.filter((one) => one.startsWith("error"))).toEqual([expect.stringMatching(wanted)]);
    expect(changes).toEqual([]);
  });

  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["a role", { role: "pbx" }, /beesip\.pbx\.role/],
    ["an interface", { interface: "lan:5060 -x" }, /beesip\.pbx\.interface/],
    ["a domain", { domain: 'a"b' }, /beesip\.pbx\.domain/],
    ["a domain that no SIP program holds", { domain: `${"a.".repeat(70)}example` }, /beesip\.pbx\.domain.*127/],
    ["one prefix for the country and the world", { national_prefix: "00" }, /beesip\.pbx\.national_prefix/],
    ["ports the wrong way round", { rtp_start: "20000", rtp_end: "10000" }, /beesip\.pbx\.rtp_end/],
    ["a country code that begins with 0", { country_code: "042" }, /beesip\.pbx\.country_code/],
  ])("%s", async (_, options, wanted) => {
    expect((await plan(exchange(options))).told).toEqual([expect.stringMatching(wanted)]);
  });

  test("all that is wrong in a list is told, up to a measure", async () => {
    const { told } = await plan(exchange({ local_net: ["10.0.0.0/8", "here", "there"] }));
    expect(told).toEqual([expect.stringMatching(/local_net "here" is no address or network; "there" is no/)]);
    const many = await plan(exchange({ local_net: Array.from({ length: 40 }, (_, at) => `no-${at}`) }));
    expect(many.told).toEqual([expect.stringMatching(/"no-9" is no .*; and 30 more/)]);
  });

  test("a gateway that everybody is, is told", async () => {
    const { told } = await plan(exchange({}, gateway({ match: ["0.0.0.0/0", "192.0.2.1"] })));
    expect(told).toEqual([expect.stringMatching(/^warning gateway one: .*everybody counts/)]);
  });

  test("a gateway that Kamailio cannot reach, since it speaks no IPv6, is told; Asterisk reaches it", async () => {
    const six = gateway({ host: "2001:db8::9" });
    const says = [expect.stringMatching(/^warning gateway one: .*IPv4 alone/)];
    expect((await plan(exchange({ role: "proxy" }, six))).told).toEqual(says);
    const own = { address: "2001:db8::1", domain: "pbx.example" };
    expect((await plan(exchange({ role: "proxy", ...own }, six))).told).toEqual([]);
    expect((await plan(exchange({ role: "both" }, six))).told).toEqual([]);
  });

  test("TLS without the usual authorities is told: what Asterisk does not find it drops without a word", async () => {
    const beesip = exchange({}, gateway({ transport: "tls", srtp: "sdes" }));
    const bare = await plan(beesip);
    expect(bare.told).toEqual([expect.stringMatching(/^warning gateway one: .*ca-bundle/)]);
    const transports = "/etc/asterisk/beesip-transports.conf";
    expect(bare.files.get(transports)).not.toContain("ca_list_file");
    expect(bare.files.get(transports)).toContain("ca_list_path = /etc/ssl/certs\n");
    const device = { ...PROGRAMS, "/etc/ssl/certs/ca-certificates.crt": "x" };
    const { told, files } = await plan(beesip, { device });
    expect(told).toEqual([]);
    expect(files.get(transports)).toContain("ca_list_file = /etc/ssl/certs/ca-certificates.crt\n");
  });

  test("all faults at once, and never the secret itself", async () => {
    const { told } = await plan(
      exchange({ role: "x" }, extension({ secret: "hush\n" }), gateway({ host: "?", password: "hush\u0001" })),
    );
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.join()).not.toContain("hush");
  });

  test("a proxy is not asked for what it cannot do", async () => {
    const { told } = await plan(
      exchange(
        { role: "proxy" },
        gateway({ username: "u", password: "p", transport: "tls", srtp: "sdes", max_calls: "2" }),
      ),
    );
    expect(told.map((one) => one.split(":")[0])).toEqual([
      "error gateway one",
      "error gateway one",
      "error gateway one",
      "warning gateway one",
    ]);
  });
});
