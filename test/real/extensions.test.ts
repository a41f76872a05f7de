/** Extensions that change while Kamailio runs: `/etc/init.d/beesip-kamailio reload` under a device's shell (Debian packages `kamailio`, `sip-tester`, `mmdebstrap`, `busybox`). */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Ended, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { answers, call, FORGED_LOGINS, register, type SipPhone } from "./setup-sip.ts";
import {
  type Kamailio,
  type Release,
  type Running,
  rendered,
  rootOf,
  startAsterisk,
  startKamailio,
} from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("kamailio", "sipp", "mmdebstrap", "chroot", "busybox");
if (missing && !isRequired) console.warn(`skipped: extensions (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const INIT = resolve("openwrt-package/files/etc/init.d/beesip-kamailio");
const PBX = "192.0.2.50";
const HERE = "192.0.2.1";

/** Numbers and their secrets. */
type Extensions = Readonly<Record<string, string>>;

function exchange(role: "proxy" | "both", extensions: Extensions): string {
  const pbx = `config pbx 'pbx'
	option enabled '1'
	option role '${role}'
	option address '${PBX}'
	option domain 'a.example'
	option country_code '420'
	option area_code '596321'
`;
  const sections = Object.entries(extensions).map(
    ([number, secret]) => `config extension\n\toption number '${number}'\n\toption secret '${secret}'\n`,
  );
  return [pbx, ...sections].join("\n");
}

const phone = (user: string, password: string): SipPhone => ({
  user,
  password,
  address: HERE,
  port: 6000 + (Number(user) % 1000),
  exchange: PBX,
  domain: "a.example",
});

/** As a device calls it; the places are this Kamailio's. */
function reload({ home, kamcmd }: Kamailio): { status: number | null; stderr: string } {
  const asking = join(home, "kamcmd");
  // The socket is named already.
  writeFileSync(asking, `#!/bin/sh\nshift 2\nexec ${kamcmd.join(" ")} "$@"\n`);
  chmodSync(asking, 0o755);
  const words = `. "${INIT}"
EXTENSIONS="${home}/beesip-extensions" KAMCMD="${asking}" PIDFILE="${home}/pid"
reload`;
  try {
    execFileSync("busybox", ["ash", "-c", words], { stdio: "pipe", timeout: 60_000 });
    return { status: 0, stderr: "" };
  } catch (thrown) {
    const { status, stderr } = thrown as { status: number | null; stderr: Buffer };
    return { status, stderr: String(stderr) };
  }
}

function ask({ kamcmd: [program = "", ...args] }: Kamailio, ...words: string[]): string {
  return execFileSync(program, [...args, ...words], { encoding: "utf8", timeout: 20_000 });
}

const versionOf = (text: string): string => /version:([0-9a-f]{64})\n$/.exec(text)?.[1] ?? "none";
const versionIn = (kamailio: Kamailio): string =>
  /value: ([0-9a-f]{64})$/m.exec(ask(kamailio, "htable.get", "extension", "version"))?.[1] ?? "none";

const EXTENSIONS = "/etc/kamailio/beesip-extensions";
const FEW = { "101": "one", "102": "two", "103": "three", "104": "four" };
const CHANGED = { "101": "one", "102": "two", "103": "changed", "105": "five" };

real("extensions that change while Kamailio runs", () => {
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    await rootOf("trixie", "kamailio");
    await rootOf("sid", "asterisk");
  }, 300_000);

  let net: TwoHosts;
  let running: Running[];
  beforeEach(() => {
    net = twoHosts();
    running = [];
  });
  afterEach(async () => {
    for (const one of running.toReversed()) await one.close();
    await net.close();
  });

  const start = async (release: Release, files: ReadonlyMap<string, string>, more: readonly string[] = []) => {
    const kamailio = await startKamailio(release, files, net.dev, PBX, more);
    running.push(kamailio);
    return kamailio;
  };
  /** Phones that answer whoever calls them. */
  const answering = async (one: SipPhone): Promise<void> => {
    answers(net.prov, one);
    await net.prov.listens("udp", one.port);
  };
  /** What is said to who claims to be 999 and has guessed what stands for a digest. */
  const forged = async (): Promise<string[]> => {
    const script = net.prov.file("forge.cjs", FORGED_LOGINS);
    return (await net.prov.run("node", [script, PBX, "a.example", HERE])).stdout.trim().split(" ");
  };
  const ended = async (what: string, act: Promise<Ended>, isFine = true): Promise<void> => {
    const { status, stdout, stderr } = await act;
    const said = (status === 0) === isFine ? "" : stdout.slice(-2000) + stderr + running.map((one) => one.log()).join();
    expect({ what, isFine: status === 0, said }).toEqual({ what, isFine, said: "" });
  };

  test.each<["proxy" | "both", Release]>([
    ["proxy", "system"],
    ["proxy", "trixie"],
    ["both", "system"],
  ])(
    "%s (%s): the same process, the others still logged in; the new secret counts and the old one does not, a new number is there and a removed one gone",
    async (role, release) => {
      const before = await rendered(exchange(role, FEW));
      expect(before.findings).toEqual([]);
      const asterisk = role === "both" ? await startAsterisk("sid", before.files, net.dev) : undefined;
      if (asterisk !== undefined) running.push(asterisk);
      const kamailio = await start(release, before.files);
      const pids = () => ask(kamailio, "core.ps");
      const first = pids();
      for (const [number, secret] of [
        ["102", "two"],
        ["103", "three"],
        ["104", "four"],
      ] as const)
        await ended(`${number} logs in`, register(net.prov, phone(number, secret)));
      await answering(phone("102", "two"));
      await answering(phone("104", "four"));
      await ended("101 calls 104", call(net.prov, phone("101", "one"), "104", 407));

      const after = await rendered(exchange(role, CHANGED));
      expect(after.files.get("/etc/kamailio/kamailio.cfg")).toBe(before.files.get("/etc/kamailio/kamailio.cfg"));
      asterisk?.put(after.files);
      asterisk?.child.kill("SIGHUP");
      if (asterisk !== undefined)
        await expect.poll(() => asterisk.ask("dialplan show 105@phones"), { timeout: 20_000 }).toMatch(/'105' =>/);
      kamailio.put(after.files);
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });

      expect(pids()).toBe(first);
      await ended("101 calls 102, which logged in before", call(net.prov, phone("101", "one"), "102", 407));
      await ended("103 with the old secret", register(net.prov, phone("103", "three")), false);
      await ended("103 with the new one", register(net.prov, phone("103", "changed")));
      await ended("105 logs in", register(net.prov, phone("105", "five")));
      await answering(phone("105", "five"));
      await ended("101 calls 105", call(net.prov, phone("101", "one"), "105", 407));
      await ended("by its other name", call(net.prov, phone("101", "one"), "+420596321105", 407));
      // Its phone is still there, and had said that it would be for five minutes.
      await ended("104 is nobody's number", call(net.prov, phone("101", "one"), "104", 407, 404));
      await ended("104 does not log in again", register(net.prov, phone("104", "four")), false);
      expect(await forged()).toEqual(Array(8).fill("401"));
      expect(kamailio.log()).not.toMatch(/\b(?:ERROR|CRITICAL|WARNING)\b/);
    },
  );

  describe.each<Release>(["system", "trixie"])("Kamailio of %s", (release) => {
    test("goes on with the extensions it has when the file is not a whole one, and takes it whatever its time is", async () => {
      const { files } = await rendered(exchange("proxy", FEW));
      const kamailio = await start(release, files);
      const file = join(kamailio.home, "beesip-extensions");
      const had = versionOf(readFileSync(file, "utf8"));
      expect(versionIn(kamailio)).toBe(had);
      const next = await rendered(exchange("proxy", CHANGED));
      const good = next.files.get(EXTENSIONS) ?? "";
      const rows = good.split("\n");
      const bad: Readonly<Record<string, string>> = {
        empty: "",
        "cut in a row": good.slice(0, good.length / 2),
        "cut between two rows": `${rows.slice(0, -2).join("\n")}\n`,
        "without its columns": good.replace(/^name.*\n/, ""),
        "with a column too many": good.replace("/2\n", "/2:x\n"),
        "something else": "#!KAMAILIO\n",
      };
      for (const [what, text] of Object.entries(bad)) {
        writeFileSync(file, text);
        const { status, stderr } = reload(kamailio);
        expect({ what, status, stderr }).toMatchObject({ what, status: 1, stderr: expect.stringMatching(/goes on/) });
        expect({ what, has: versionIn(kamailio) }).toEqual({ what, has: had });
      }
      writeFileSync(file, good, { mode: 0o600 });
      chownSync(file, 0, 0);
      chmodSync(file, 0o600);
      expect(reload(kamailio)).toMatchObject({ status: 1, stderr: expect.stringMatching(/goes on/) });
      expect(versionIn(kamailio)).toBe(had);
      rmSync(file);
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
      expect(versionIn(kamailio)).toBe(had);

      // Within the second of the last look, and with a time long gone, as a way back may leave it.
      kamailio.put(next.files);
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
      expect(versionIn(kamailio)).toBe(versionOf(good));
      const looked = statSync(file).mtime;
      kamailio.put(files);
      utimesSync(file, looked, looked);
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
      expect(versionIn(kamailio)).toBe(had);
      kamailio.put(next.files);
      utimesSync(file, 1_000_000, 1_000_000);
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
      expect(versionIn(kamailio)).toBe(versionOf(good));

      // Stopped, it reads the file when it starts.
      kamailio.put(files);
      kamailio.child.kill("SIGTERM");
      await expect.poll(() => kamailio.child.exitCode, { timeout: 20_000 }).not.toBeNull();
      expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
    });

    test("does not start without the file, nor with another one; and what is no digest lets nobody in", async () => {
      const { files } = await rendered(exchange("proxy", FEW));
      const { [EXTENSIONS]: text = "", ...others } = Object.fromEntries(files);
      await expect(start(release, new Map(Object.entries(others)))).rejects.toThrow(/does not start/);
      const having = (other: string) => new Map(Object.entries({ ...others, [EXTENSIONS]: other }));
      await expect(start(release, having(""))).rejects.toThrow(/does not start/);
      await expect(start(release, having("#!KAMAILIO\n"))).rejects.toThrow(/does not start/);
      await start(release, having(text.replace("version:", `secret/999:${"-".repeat(32)}/2\nversion:`)));
      await ended("101 logs in", register(net.prov, phone("101", "one")));
      expect(await forged()).toEqual(Array(8).fill("401"));
    });

    test("holds 2000 extensions in the memory that is asked for, and reads them again", async () => {
      const many = (word: string) =>
        Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [String(5000 + at), `${word}-${at}`]));
      const { files, findings, uci } = await rendered(exchange("proxy", many("s")));
      expect(findings).toEqual([]);
      const { pkg_memory = "", shm_memory = "" } = uci["kamailio"] ?? {};
      const kamailio = await start(release, files, ["-M", pkg_memory, "-m", shm_memory]);
      for (const word of ["a", "b"]) {
        const next = await rendered(exchange("proxy", many(word)));
        kamailio.put(next.files);
        expect(reload(kamailio)).toEqual({ status: 0, stderr: "" });
        expect(versionIn(kamailio)).toBe(versionOf(next.files.get(EXTENSIONS) ?? ""));
      }
      await ended("the last logs in", register(net.prov, phone("6999", "b-1999")));
      const most = Number(/max_used: ([0-9]+)/.exec(ask(kamailio, "core.shmmem"))?.[1]);
      expect(most).toBeGreaterThan(1_000_000);
      expect(most).toBeLessThan(Number(shm_memory) * 1_048_576 * 0.75);
      expect(kamailio.log()).not.toMatch(/\b(?:ERROR|CRITICAL)\b/);
    });

    test("without the module that reads the file, extensions are known all the same", async () => {
      const { files } = await rendered(exchange("proxy", FEW), undefined, undefined, { hasTableFile: false });
      expect([...files.keys()]).toEqual(["/etc/kamailio/kamailio.cfg"]);
      await start(release, files);
      await ended("102 logs in", register(net.prov, phone("102", "two")));
      await ended("with a wrong secret", register(net.prov, phone("102", "wrong")), false);
      await answering(phone("102", "two"));
      await ended("101 calls 102", call(net.prov, phone("101", "one"), "+420596321102", 407));
    });
  });
});
