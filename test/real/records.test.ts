/** What `tree records` prints, taken by the servers it is for. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { phoneRecipes } from "../../src/admin/records/phones.ts";
import { recipes } from "../../src/admin/records/records.ts";
import { optionText, sectionsOfType } from "../../src/uci/model.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const reason = whyNoHosts("named-checkzone", "dnsmasq", "dhcpd", "kea-dhcp4", "kea-dhcp6", "lldpd");
if (reason !== undefined) console.warn(`records: skipped, ${reason}`);

const URI = "https://cfg.fleet.example:8443/{board:slug}/a,b;c=1";
const { cert } = makeAuthority("records").issue({ names: ["cfg.fleet.example"] });
const MADE = recipes({ uri: URI, domain: "fleet.example", serial: 42, certificate: cert });
const text = (name: string): string => {
  const found = MADE.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no recipe ${name}`);
  return found.text;
};

describe.skipIf(reason !== undefined)("tree records", () => {
  let hosts: TwoHosts;
  beforeAll(() => {
    hosts = twoHosts();
  });
  afterAll(() => hosts?.close());

  test("bind takes TXT and TLSA as lines of a zone, and reads them as they were meant", async () => {
    const zone = [
      "$TTL 300",
      "@ IN SOA ns.fleet.example. root.fleet.example. 1 3600 600 86400 300",
      "@ IN NS ns.fleet.example.",
      "ns IN A 192.0.2.1",
      text("txt-zone"),
      text("tlsa-zone"),
      "",
    ].join("\n");
    const file = hosts.prov.file("zone", zone);
    const checked = await hosts.prov.run("named-checkzone", ["-D", "fleet.example", file]);
    expect(checked.status, checked.stdout + checked.stderr).toBe(0);
    expect(checked.stdout).toContain(`"provuri=${URI}"`);
    expect(checked.stdout).toMatch(/_8443\._tcp\.cfg\.fleet\.example\.\s+300\s+IN\s+TLSA\s+3 1 1/);
  });

  test("dnsmasq answers with the TXT record and the TLSA record", async () => {
    const conf = hosts.prov.file(
      "dnsmasq.conf",
      `${text("txt-dnsmasq")}\n${text("tlsa-dnsmasq")}\n${text("dhcp-dnsmasq")}\n`,
    );
    const tested = await hosts.prov.run("dnsmasq", ["--test", "-C", conf]);
    expect(tested.status, tested.stderr).toBe(0);
    const child = startDnsmasq("-C", conf);
    await hosts.prov.listens("udp", 53);
    const asked = await hosts.dev.run("dig", ["+short", "@192.0.2.1", "_uciprov.fleet.example", "TXT"]);
    expect(asked.stdout.trim()).toBe(`"provuri=${URI}" "serial=42"`);
    const keys = await hosts.dev.run("dig", ["+short", "@192.0.2.1", "_8443._tcp.cfg.fleet.example", "TLSA"]);
    expect(keys.stdout.replaceAll(" ", "").trim().toLowerCase()).toBe(
      `311${/[0-9a-f]{64}/.exec(text("tlsa-zone"))?.[0]}`,
    );
    await ended(child);
  });

  test("what OpenWrt's init script hands dnsmasq of the uci lines is answered, and the next serial's lines replace it", async () => {
    const next = recipes({ uri: URI, domain: "fleet.example", serial: 43, certificate: cert });
    const saidNext = next.find(({ name }) => name === "txt-openwrt")?.text ?? "";
    const folder = uciFolder("dhcp");
    runUci(folder, text("txt-openwrt"));
    runUci(folder, text("tlsa-openwrt"));
    runUci(folder, saidNext);
    const child = startDnsmasq("-C", hosts.prov.file("empty.conf", ""), ...recordArguments(folder));
    await hosts.prov.listens("udp", 53);
    const asked = await hosts.dev.run("dig", ["+short", "@192.0.2.1", "_uciprov.fleet.example", "TXT"]);
    expect(asked.stdout.trim()).toBe(`"provuri=${URI}" "serial=43"`);
    const keys = await hosts.dev.run("dig", ["+short", "@192.0.2.1", "_8443._tcp.cfg.fleet.example", "TLSA"]);
    expect(keys.stdout.replaceAll(" ", "").trim().toLowerCase()).toBe(
      `311${/[0-9a-f]{64}/.exec(text("tlsa-zone"))?.[0]}`,
    );
    await ended(child);
  });

  test("ISC dhcpd takes its lines", async () => {
    const conf = hosts.prov.file(
      "dhcpd.conf",
      `${text("dhcp-isc")}\nsubnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100 192.0.2.110; }\n`,
    );
    const tested = await hosts.prov.run("dhcpd", ["-t", "-cf", conf, "-lf", hosts.prov.file("dhcpd.leases", "")]);
    expect(tested.status, tested.stderr).toBe(0);
  });

  test("Kea takes its options, for IPv4 and IPv6", async () => {
    for (const [program, name, root, subnet, pool] of [
      ["kea-dhcp4", "dhcp-kea", "Dhcp4", "192.0.2.0/24", "192.0.2.100 - 192.0.2.110"],
      ["kea-dhcp6", "dhcp6-kea", "Dhcp6", "2001:db8:1::/64", "2001:db8:1::100 - 2001:db8:1::110"],
    ] as const) {
      const subnets = JSON.stringify([{ id: 1, subnet, pools: [{ pool }] }]);
      const leases = '"lease-database": { "type": "memfile", "persist": false }';
      const conf = hosts.prov.file(
        `${program}.conf`,
        `{ "${root}": { ${text(name)}, ${leases}, "interfaces-config": { "interfaces": [] }, "${root === "Dhcp4" ? "subnet4" : "subnet6"}": ${subnets} } }`,
      );
      const tested = await hosts.prov.run(program, ["-t", conf], {
        env: { KEA_LOCKFILE_DIR: "none", KEA_PIDFILE_DIR: hosts.folder },
      });
      expect(tested.status, tested.stdout + tested.stderr).toBe(0);
      expect(tested.stdout + tested.stderr).not.toMatch(/ERROR/);
    }
  });

  test("a phone hears from dnsmasq, from ISC dhcpd and from Kea where its files are", async () => {
    const uri = "http://192.0.2.50:8080/prov/";
    const made = (name: string): string => phoneRecipes(uri).find((one) => one.name === name)?.text ?? "";
    const leases = hosts.prov.file("phones.leases", "");
    const kea = hosts.prov.file(
      "phones-kea.conf",
      `{ "Dhcp4": { ${made("phones-kea")}, "lease-database": { "type": "memfile", "persist": false },
        "interfaces-config": { "interfaces": ["eth0"], "dhcp-socket-type": "raw" },
        "subnet4": [{ "id": 1, "subnet": "192.0.2.0/24", "pools": [{ "pool": "192.0.2.100 - 192.0.2.110" }] }] } }`,
    );
    const isc = hosts.prov.file(
      "phones.conf",
      `${made("phones-isc")}\nsubnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100 192.0.2.110; }\n`,
    );
    const env = { KEA_LOCKFILE_DIR: "none", KEA_PIDFILE_DIR: hosts.folder };
    const servers: readonly (readonly [name: string, start: () => ChildProcess])[] = [
      ["dnsmasq", () => startDnsmasq("-C", hosts.prov.file("phones.dnsmasq", `${made("phones-dnsmasq")}\n`))],
      [
        "dhcpd",
        () => hosts.prov.start("dhcpd", ["-f", "-cf", isc, "-lf", leases, "-pf", join(hosts.folder, "pid"), "eth0"]),
      ],
      ["kea", () => hosts.prov.start("kea-dhcp4", ["-c", kea], { env })],
    ];
    // udhcpc hands its script what it has heard: options it does not know as hex, and of 66 that it came and is no host's name.
    const script = hosts.dev.file(
      "heard.sh",
      '#!/bin/sh\n[ "$1" = bound ] && printf "%s|%s|%s\\n" "$tftp" "$opt160" "$opt43"\nexit 0\n',
    );
    execFileSync("chmod", ["755", script]);
    const hex = Buffer.from(uri).toString("hex");
    for (const [name, start] of servers) {
      const child = start();
      const client = [
        "udhcpc",
        "-i",
        "eth0",
        "-f",
        "-q",
        "-n",
        "-t",
        "20",
        "-T",
        "1",
        "-O",
        "66",
        "-O",
        "160",
        "-O",
        "43",
        "-s",
        script,
      ];
      const { stdout, stderr } = await hosts.dev.run("busybox", client, { seconds: 40 });
      expect(stdout, `${name}: ${stderr}`).toContain(`bad|${hex}|42${uri.length.toString(16)}${hex}`);
      await ended(child);
    }
  }, 120_000);

  test("lldpd sends what lldpcli was told", async () => {
    const socket = join(hosts.folder, "lldp.sock");
    const child = hosts.prov.start("lldpd", ["-d", "-u", socket, "-I", "eth0"]);
    const [, ...words] = text("lldp").split(" ");
    for (let tries = 0; ; tries++) {
      const told = await hosts.prov.run("lldpcli", ["-u", socket, ...words]);
      if (told.status === 0 && !/unable|unknown|error/i.test(told.stderr)) break;
      expect(tries, told.stderr).toBeLessThan(300);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const shown = await hosts.prov.run("lldpcli", ["-u", socket, "-f", "json0", "show", "interfaces", "details"]);
    expect(shown.stdout.replaceAll(/[\s,]/g, "")).toContain(Buffer.from(URI).toString("hex").toUpperCase());
    child.kill();
  });

  test("the OpenWrt lines are taken by the program's own uci", () => {
    const folder = uciFolder("dhcp", "uciprov");
    for (const name of ["name-openwrt", "dhcp-openwrt"]) runUci(folder, text(name));
    expect(readFileSync(join(folder, "uciprov"), "utf8")).toContain("option name '_uciprov.fleet.example'");
    expect(readFileSync(join(folder, "dhcp"), "utf8")).toContain("list dhcp_option_force '224,");
  });

  function startDnsmasq(...words: readonly string[]): ChildProcess {
    const leases = `--dhcp-leasefile=${join(hosts.folder, "leases")}`;
    const range = "--dhcp-range=192.0.2.100,192.0.2.110,1h";
    return hosts.prov.start("dnsmasq", [
      "-k",
      ...words,
      "--no-resolv",
      "--no-hosts",
      "--user=root",
      "--pid-file=",
      range,
      leases,
    ]);
  }

  /** A folder of packages that have only what OpenWrt's lines above need. */
  function uciFolder(...packages: readonly string[]): string {
    const folder = mkdtempSync(join(hosts.folder, "config-"));
    for (const name of packages) {
      writeFileSync(join(folder, name), name === "dhcp" ? "config dhcp 'lan'\n\toption interface 'lan'\n" : "");
    }
    return folder;
  }

  /** Runs a recipe's `uci` lines; no value in them holds a blank or a quote, which is what records.ts refuses. */
  function runUci(folder: string, recipe: string): void {
    for (const line of recipe.split("\n").filter((one) => one.startsWith("uci "))) {
      const [, ...words] = line.replaceAll("'", "").split(" ");
      const where = ["-c", folder, "-t", join(hosts.folder, "delta")];
      execFileSync(process.execPath, ["dist/uciprov.cjs", "uci", ...where, ...words]);
    }
  }

  /** As dnsmasq.init of OpenWrt 24.10 makes them of every `config dnsrr`. */
  function recordArguments(folder: string): string[] {
    const dhcp = parsePackage(readFileSync(join(folder, "dhcp")), { name: "dhcp" });
    return sectionsOfType(dhcp, "dnsrr").map(
      (one) => `--dns-rr=${["rrname", "rrnumber", "hexdata"].map((option) => optionText(one, option)).join(",")}`,
    );
  }
});

async function ended(child: ChildProcess): Promise<void> {
  child.kill();
  await new Promise((resolve) => child.once("exit", resolve));
}
