/** The exchange's files in real Asterisk and Kamailio, and calls through them (Debian packages `kamailio`, `sip-tester`, `mmdebstrap`; more in setup-telephony.ts). */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { answers, call, FORGED_LOGINS, register, type SipPhone } from "./setup-sip.ts";
import {
  type Asterisk,
  checkKamailio,
  type Release,
  type Running,
  rendered,
  rootOf,
  startAsterisk,
  startKamailio,
} from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("kamailio", "sipp", "mmdebstrap", "chroot");
if (missing && !isRequired) console.warn(`skipped: telephony (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const section = (type: string, options: Readonly<Record<string, string | readonly string[]>>, name = ""): string => {
  const lines = Object.entries(options).flatMap(([key, value]) =>
    typeof value === "string" ? [`\toption ${key} ${quote(value)}`] : value.map((one) => `\tlist ${key} ${quote(one)}`),
  );
  return `config ${type} ${name}\n${lines.join("\n")}\n`;
};
const HOSTILE = [
  `a;b"c\\d$e`,
  `;--x--;`,
  `a\\;b`,
  `\${SHELL(id)}`,
  "#!define X",
  "</P34>&<x>",
  "]['\"`",
  "#include /etc/passwd",
  "příliš žluťoučký",
  "=> a = b",
  "a,b|c&d(e)",
  "%00%0a!",
];

const HOSTS = { pbx: "192.0.2.50", gateway: "192.0.2.1", phone: "192.0.2.2" } as const;

/** Exchange A: phones 101 to 112, gateway `dead` (nobody there) and `two`, which is exchange B. */
function exchangeA(role: string, more = ""): string {
  const login = role === "proxy" ? {} : { username: HOSTILE[0] ?? "", password: HOSTILE[1] ?? "" };
  return [
    section(
      "pbx",
      {
        enabled: "1",
        role,
        address: HOSTS.pbx,
        domain: "a.example",
        country_code: "420",
        area_code: "596321",
        ring_seconds: "10",
      },
      "pbx",
    ),
    ...HOSTILE.map((text, at) => section("extension", { number: String(101 + at), name: text, secret: text })),
    section("gateway", { id: "dead", host: HOSTS.gateway, port: "5999", qualify: "1", ...login }),
    section("gateway", { id: "two", host: HOSTS.gateway, qualify: "1", match: [HOSTS.gateway] }),
    section("route", { prefix: "+420", gateway: ["dead"] }),
    section("route", { prefix: "+420777", gateway: ["dead", "two"], min_digits: "12", max_digits: "12" }),
    section("route", { prefix: "+1", gateway: ["two"] }),
    // Nobody looks whether this one is alive: a call finds out.
    // A name that nobody finds.
    section("gateway", { id: "lost", host: "gw.nonesuch.invalid", match: ["198.51.100.99"], qualify: "1" }),
    section("route", { prefix: "159", gateway: ["lost", "two"], prepend: "+420777200201", strip: "3" }),
    section("route", { prefix: "160", gateway: ["lost"], prepend: "+420777200201", strip: "3" }),
    section("gateway", { id: "silent", host: HOSTS.gateway, port: "5998", qualify: "0" }),
    section("route", { prefix: "158", gateway: ["silent", "two"], prepend: "+420777200201", strip: "3" }),
    more,
  ].join("\n");
}

/** Exchange B: +420777xxx, and phone 201 to 299999; A's address is its gateway. */
const EXCHANGE_B = [
  section(
    "pbx",
    { enabled: "1", address: HOSTS.gateway, domain: "b.example", country_code: "420", area_code: "777" },
    "pbx",
  ),
  section("extension", { number: "200201", secret: "two" }),
  section("gateway", { id: "a", host: HOSTS.pbx, match: [HOSTS.pbx] }),
  section("route", { prefix: "+420596321", gateway: ["a"] }),
].join("\n");

real("the exchange in real programs", () => {
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    for (const [release, program] of [
      ["trixie", "kamailio"],
      ["sid", "asterisk"],
      ["bullseye", "asterisk"],
    ] as const)
      await rootOf(release, program);
  }, 300_000);

  describe.each<Release>(["system", "trixie"])("Kamailio of %s", (release) => {
    test.each(["proxy", "both"])("takes the files of role %s", async (role) => {
      const { files, findings } = await rendered(exchangeA(role));
      expect(findings).toEqual([]);
      const { status, said } = await checkKamailio(release, files);
      expect(status, said).toBe(0);
      expect(said).not.toMatch(/\b(?:ERROR|CRITICAL|WARNING)\b/);
    });

    test("holds 300 extensions and 500 prefixes in the memory that is asked for", async () => {
      const many = (count: number, make: (at: number) => string) =>
        Array.from({ length: count }, (_, at) => make(at)).join("\n");
      const { files, findings, uci } = await rendered(
        exchangeA(
          "proxy",
          many(300, (at) => section("extension", { number: String(5000 + at), secret: `s${at}` })) +
            many(500, (at) =>
              section("route", { prefix: `+49${1000 + at}`, gateway: at % 2 === 0 ? ["two"] : ["two", "silent"] }),
            ),
        ),
      );
      expect(findings).toEqual([]);
      const { pkg_memory = "", shm_memory = "" } = uci["kamailio"] ?? {};
      const net = twoHosts();
      try {
        const running = await startKamailio(release, files, net.dev, HOSTS.pbx, ["-M", pkg_memory, "-m", shm_memory]);
        try {
          expect(running.log()).not.toMatch(/ERROR|CRITICAL/);
          const last: SipPhone = {
            user: "5299",
            password: "s299",
            address: HOSTS.gateway,
            port: 6299,
            exchange: HOSTS.pbx,
            domain: "a.example",
          };
          expect(await register(net.prov, last)).toMatchObject({ status: 0 });
        } finally {
          await running.close();
        }
      } finally {
        await net.close();
      }
    });

    test("reads another module's protection, with all its routes", async () => {
      const { files } = await rendered(exchangeA("both"));
      const protection = (routes: readonly string[]) =>
        [
          "#!define WITH_PROTECTION",
          'loadmodule "pike.so"',
          'modparam("pike", "reqs_density_per_unit", 30)',
          'modparam("htable", "htable", "ipban=>size=8;autoexpire=120;")',
          ...routes.map((name) => `route[${name}] {\n\t$sht(ipban=>$si) = "${name}";\n}`),
          "",
        ].join("\n");
      const added = (text: string) => new Map([...files, ["/etc/kamailio/beesip-protection.cfg", text]]);
      const net = twoHosts();
      try {
        const all = added(protection(["PROTECT", "LOGGED_IN", "LOGIN_FAILED"]));
        expect((await checkKamailio(release, all)).status).toBe(0);
        await (await startKamailio(release, all, net.dev, HOSTS.pbx)).close();
        // It is read: without one of its routes Kamailio does not start.
        await expect(
          startKamailio(release, added(protection(["PROTECT", "LOGGED_IN"])), net.dev, HOSTS.pbx),
        ).rejects.toThrow(/LOGIN_FAILED/);
      } finally {
        await net.close();
      }
    });

    test("believes nobody who claims a number that is not there, whatever stands for its digest", async () => {
      const { files } = await rendered(exchangeA("proxy"));
      const net = twoHosts();
      const running = await startKamailio(release, files, net.dev, HOSTS.pbx);
      try {
        const script = net.prov.file("forge.cjs", FORGED_LOGINS);
        const { status, stdout, stderr } = await net.prov.run("node", [script, HOSTS.pbx, "a.example", HOSTS.gateway], {
          seconds: 30,
        });
        expect({ status, stderr }).toMatchObject({ status: 0 });
        expect(stdout.trim().split(" ")).toEqual(Array(8).fill("401"));
      } finally {
        await running.close();
        await net.close();
      }
    });

    test("refuses what is broken, so that the test above means something", async () => {
      const { files } = await rendered(exchangeA("proxy"));
      const broken = new Map([...files].map(([path, text]) => [path, text.replace('"maxfwd.so"', '"nonesuch.so"')]));
      expect((await checkKamailio(release, broken)).status).not.toBe(0);
    });
  });

  describe.each<Release>(["bullseye", "sid"])("Asterisk of %s", (release) => {
    let asterisk: Asterisk;
    beforeAll(async () => {
      const { files, findings } = await rendered(
        exchangeA(
          "b2bua",
          section("gateway", {
            id: "reg",
            host: "198.51.100.7",
            username: "u;1",
            password: "p;2",
            register: "1",
            max_calls: "2",
          }) +
            section("gateway", { id: "secret", host: "198.51.100.8", transport: "tls", srtp: "sdes" }) +
            section("gateway", { id: "six", host: "2001:db8::8", transport: "tcp" }),
        ),
      );
      expect(findings.map(({ message }) => message)).toEqual([expect.stringMatching(/^gateway secret .*ca-bundle/)]);
      asterisk = await startAsterisk(release, files);
    });
    afterAll(() => asterisk?.close());

    test("has every endpoint, aor, auth, identify registration and transport", async () => {
      const count = async (what: string) =>
        Number(/Objects found: ([0-9]+)/.exec(await asterisk.ask(`pjsip show ${what}`))?.[1]);
      const found = await Promise.all(
        ["endpoints", "aors", "auths", "identifies", "registrations", "transports"].map(count),
      );
      const phones = HOSTILE.length;
      expect(found).toEqual([phones + 7, phones + 7, phones + 2, 7, 1, 4]);
    });

    test("reads every secret and name as it was written, whatever is in it", async () => {
      for (const [at, text] of HOSTILE.entries()) {
        const auth = await asterisk.ask(`pjsip show auth ${101 + at}`);
        expect(/^ password +: (.*)$/m.exec(auth)?.[1]).toBe(text);
        const endpoint = await asterisk.ask(`pjsip show endpoint ${101 + at}`);
        expect(/^ callerid +: (.*)$/m.exec(endpoint)?.[1]).toBe(`"${text.replace(/[\\"]/g, "\\$&")}" <${101 + at}>`);
      }
      const login = await asterisk.ask("pjsip show auth gw-dead");
      expect(/^ username +: (.*)$/m.exec(login)?.[1]).toBe(HOSTILE[0]);
    });

    test.each([
      ["101", "extensions", "101"],
      ["+420596321101", "own-forms", "+420596321101"],
      ["00420596321101", "own-forms", "00420596321101"],
      ["596321101", "own-forms", "596321101"],
      ["596321999", "own-none", "_596321XXX"],
      ["+420596321999", "own-none", "_+420596321!"],
      ["158", "numbers", "158"],
      ["777200201", "forms", "_XXXXXXXXX"],
      ["00420777200201", "forms", "_00X!"],
      ["+420777200201", "forms", "_+X!"],
    ])("a phone that dials %s reaches %s", async (number, context, pattern) => {
      const told = await asterisk.ask(`dialplan show ${number}@phones`);
      const [, found] = /\[ (?:Context|Included context) '([^']+)' created/.exec(told) ?? [];
      expect({ found, told }).toMatchObject({ found: context, told: expect.stringContaining(`'${pattern}' =>`) });
    });

    test.each([
      ["+420777200201", "_+420777!"],
      ["+420596000000", "_+420!"],
      ["+12125550100", "_+1!"],
    ])("%s takes the longest prefix, %s", async (number, pattern) => {
      const told = await asterisk.ask(`dialplan show ${number}@world`);
      expect(/'([^']+)' =>/.exec(told)?.[1]).toBe(pattern);
    });

    test.each(["+420777200201", "158", "777200201", "999"])("a trunk does not get %s", async (number) => {
      expect(await asterisk.ask(`dialplan show ${number}@from-trunks`)).toMatch(/There is no existence of/);
    });

    test("knows every application and function that the dial plan uses", async () => {
      const { files } = await rendered(exchangeA("b2bua"));
      const plan = files.get("/etc/asterisk/extensions.conf") ?? "";
      const used = [
        ...new Set([...plan.matchAll(/,(?:n(?:\([a-z0-9]+\))?,|1,)?([A-Z][A-Za-z]+)\(/g)].map(([, app = ""]) => app)),
      ];
      expect(used.length).toBeGreaterThan(4);
      for (const app of used)
        expect(await asterisk.ask(`core show application ${app}`), app).toMatch(/Info about|Synopsis/i);
      for (const name of [
        "LEN",
        "FILTER",
        "CALLERID",
        "GROUP",
        "GROUP_COUNT",
        "HANGUPCAUSE",
        "HANGUPCAUSE_KEYS",
        "PJSIP_DIAL_CONTACTS",
      ]) {
        expect(await asterisk.ask(`core show function ${name}`), name).toMatch(/Info about|Synopsis/i);
      }
    });

    test("reads what others add beside its files", async () => {
      const { files } = await rendered(exchangeA("b2bua"));
      const more = new Map([
        ...files,
        [
          "/etc/asterisk/beesip-pjsip.conf",
          "[probe]\ntype = endpoint\ncontext = probe\ndisallow = all\nallow = alaw\n",
        ],
        ["/etc/asterisk/beesip-extensions.conf", "[probe]\nexten => s,1,Echo()\n"],
        ["/etc/asterisk/beesip-modules.conf", "load = app_senddtmf.so\n"],
        ["/etc/asterisk/beesip-logger.conf", "probe => notice\n"],
      ]);
      const other = await startAsterisk(release, more);
      try {
        expect(await other.ask("pjsip show endpoint probe")).toMatch(/^ context +: probe$/m);
        expect(await other.ask("dialplan show s@probe")).toContain("Echo()");
        expect(await other.ask("module show like app_senddtmf")).toMatch(/1 modules? loaded/);
        expect(await other.ask("logger show channels")).toMatch(/probe/);
      } finally {
        await other.close();
      }
    });

    test("takes a changed extension by a reload: the same process, the others still there", async () => {
      const before = /System uptime: .*/.exec(await asterisk.ask("core show uptime"))?.[0];
      const pid = asterisk.child.pid;
      const { files } = await rendered(exchangeA("b2bua", section("extension", { number: "333", secret: "new;one" })));
      asterisk.put(files);
      asterisk.child.kill("SIGHUP");
      await expect.poll(() => asterisk.ask("pjsip show auth 333"), { timeout: 10_000 }).toMatch(/ password +: new;one/);
      await expect.poll(() => asterisk.ask("dialplan show 333@phones"), { timeout: 10_000 }).toMatch(/'333' =>/);
      expect(await asterisk.ask("pjsip show auth 101")).toContain(HOSTILE[0]);
      expect({ before, pid: asterisk.child.pid, code: asterisk.child.exitCode }).toMatchObject({
        before: expect.any(String),
        pid,
        code: null,
      });
    });
  });

  test("the fixture trees' files are taken, too", async () => {
    const asFound = (tree: string) => {
      const folder = new URL(`../../fixtures/trees/${tree}/device/etc/`, import.meta.url);
      const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
        /^(?:asterisk|kamailio)\//.test(path),
      );
      return new Map(paths.map((path) => [`/etc/${path}`, readFileSync(new URL(path, folder), "utf8")]));
    };
    for (const release of ["system", "trixie"] as const) {
      for (const tree of ["sbc", "honeypot"]) {
        const { status, said } = await checkKamailio(release, asFound(tree));
        expect({ tree, status, isQuiet: !/\b(?:ERROR|CRITICAL|WARNING)\b/.test(said) }, said).toEqual({
          tree,
          status: 0,
          isQuiet: true,
        });
      }
    }
    const probe = await startAsterisk("sid", asFound("speech-probe"));
    try {
      const text = asFound("speech-probe").get("/etc/asterisk/beesip-pjsip.conf") ?? "";
      const count = [...text.matchAll(/^type = endpoint$/gm)].length;
      expect(count).toBeGreaterThan(0);
      expect(await probe.ask("pjsip show endpoints")).toMatch(new RegExp(`Objects found: ${count}\\b`));
    } finally {
      await probe.close();
    }
    const asterisk = await startAsterisk("sid", asFound("pbx"));
    try {
      for (const [what, count] of [
        ["endpoints", 8],
        ["aors", 8],
        ["auths", 6],
        ["identifies", 3],
        ["registrations", 1],
      ] as const) {
        expect(await asterisk.ask(`pjsip show ${what}`), what).toMatch(new RegExp(`Objects found: ${count}\\b`));
      }
      expect(await asterisk.ask("dialplan show +420541111111@world")).toContain("gw-praha-1");
    } finally {
      await asterisk.close();
    }
  });

  describe("calls", () => {
    let net: TwoHosts;
    let b: Asterisk;
    const phoneA: SipPhone = {
      user: "102",
      password: HOSTILE[1] ?? "",
      address: HOSTS.phone,
      port: 6102,
      exchange: HOSTS.pbx,
      domain: "a.example",
    };
    const otherA: SipPhone = { ...phoneA, user: "104", password: HOSTILE[3] ?? "", port: 6104 };
    const phoneB: SipPhone = {
      user: "200201",
      password: "two",
      address: HOSTS.gateway,
      port: 6201,
      exchange: HOSTS.gateway,
      domain: "b.example",
    };

    beforeAll(async () => {
      net = twoHosts();
      execFileSync("ip", ["-n", net.prov.namespace, "addr", "add", `${HOSTS.phone}/24`, "dev", "eth0"]);
      b = await startAsterisk("sid", (await rendered(EXCHANGE_B)).files, net.prov);
      expect(await register(net.prov, phoneB)).toMatchObject({ status: 0 });
      answers(net.prov, phoneB);
      await net.prov.listens("udp", phoneB.port);
    }, 60_000);
    afterAll(async () => {
      await b?.close();
      await net?.close();
    });

    const inRole = async (
      role: "b2bua" | "proxy" | "both",
      release: Release,
      act: (login: 401 | 407) => Promise<void>,
    ) => {
      const { files, findings } = await rendered(exchangeA(role));
      expect(findings).toEqual([]);
      const running: Running[] = [];
      try {
        if (role !== "proxy") running.push(await startAsterisk("sid", files, net.dev));
        if (role !== "b2bua") running.push(await startKamailio(release, files, net.dev, HOSTS.pbx));
        await act(role === "b2bua" ? 401 : 407);
      } catch (thrown) {
        throw new Error(
          `${String(thrown)}\n${running
            .map((one) => one.log())
            .join("\n")
            .slice(-6000)}`,
          { cause: thrown },
        );
      } finally {
        for (const one of running) await one.close();
      }
    };

    test.each<["b2bua" | "proxy" | "both", Release]>([
      ["b2bua", "system"],
      ["proxy", "system"],
      ["proxy", "trixie"],
      ["both", "system"],
      ["both", "trixie"],
    ])(
      "%s (%s): a phone logs in, calls another phone, and the world by the second gateway while the first is dead",
      async (role, release) => {
        await inRole(role, release, async (login) => {
          const ended = async (what: string, phone: Promise<Ended>, isFine = true) => {
            const { status, stdout, stderr } = await phone;
            expect({
              what,
              isFine: status === 0,
              said: isFine && status !== 0 ? stdout.slice(-3000) + stderr : "",
            }).toEqual({
              what,
              isFine,
              said: "",
            });
          };
          await ended("102 logs in", register(net.prov, phoneA));
          await ended("102 with a wrong password", register(net.prov, { ...phoneA, password: "wrong" }), false);
          await ended("104 logs in", register(net.prov, otherA));
          const phone = answers(net.prov, otherA);
          try {
            await net.prov.listens("udp", otherA.port);
            await ended("102 calls 104", call(net.prov, phoneA, "104", login));
            for (const number of ["158", "159", "+420777200201", "777200201", "00420777200201"]) {
              await ended(`102 calls ${number}`, call(net.prov, phoneA, number, login));
            }
            // A proxy that hands on a 503 would take itself out of service (RFC 3261 §16.7).
            await ended("nowhere left to try", call(net.prov, phoneA, "160", login, role === "both" ? 500 : 503));
            await ended("nobody is 999", call(net.prov, phoneA, "999", login, 404));
            await ended("as 103 with 102's password", call(net.prov, { ...phoneA, user: "103" }, "104", login, login));
            await ended("B calls A's 104", call(net.prov, { ...phoneB, port: 6299 }, "+420596321104", 401));
          } finally {
            phone.kill();
          }
        });
      },
    );
  });
});
