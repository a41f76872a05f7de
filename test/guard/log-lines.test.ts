/** Lines as the real programs wrote them (fixtures/answers/guard), some of them to somebody who tries to have others banned. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Reading, readLine } from "../../src/guard/log-lines.ts";
import { bytesOf, fuzzGuardLogs, readings } from "./fuzz.ts";

const told = (all: readonly Reading[]) =>
  all.flatMap((one) => (typeof one === "object" ? [`${one.address.text} ${one.reason}`] : []));
const count = (all: readonly Reading[], what: Reading) => all.filter((one) => one === what).length;

describe("Kamailio", () => {
  test("over syslog is believed where it speaks itself, and nowhere else in a line", () => {
    const all = readings("kamailio", bytesOf("kamailio"), true);
    expect(told(all)).toEqual(["198.51.100.10 pike", "198.51.100.10 softfault"]);
    // Its errors quote a packet that holds a line like its own.
    expect(count(all, "odd")).toBeGreaterThan(5);
  });

  test("over standard error is believed only by the worker's process id, which a packet does not know", () => {
    const claims = readings("kamailio", bytesOf("stderr"), true).flatMap((one) =>
      typeof one === "object" ? [[one.address.text, one.claim]] : [],
    );
    expect(claims.slice(0, 2)).toEqual([
      ["198.51.100.10", { pid: 3425, parent: 3418 }],
      ["198.51.100.10", { pid: 3425, parent: 3418 }],
    ]);
    expect(new Set(claims.slice(2).map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify(["8.8.8.8", { pid: 99, parent: 3418 }])]),
    );
  });

  test.each([
    [
      "Sat Nov 28 22:23:04 2026 daemon.alert kamailio[7]: ALERT: <script>: ban src=2001:db8:66::10 reason=pike",
      "2001:db8:66::10 pike",
    ],
    [
      "Sat Nov  8 22:23:04 2026 [1794176584.123] daemon.alert kamailio[7]: ALERT: <script>: ban src=::ffff:192.0.2.7 reason=rate n=9",
      "192.0.2.7 rate",
    ],
    [
      "Sat Nov 28 22:23:04 2026 local0.notice /usr/sbin/kamailio[7]: NOTICE: <script>: ban src=[2001:db8::1] reason=x",
      "2001:db8::1 x",
    ],
    ["Sat Nov 28 22:23:04 2026 authpriv.alert dropbear[7]: ALERT: <script>: ban src=8.8.8.8 reason=pike", "odd"],
    [
      "Sat Nov 28 22:23:04 2026 daemon.alert kamailio[7]: ALERT: {1 1 REGISTER <script>: ban src=8.8.8.8 reason=x} <script>: hello",
      "odd",
    ],
    ["Sat Nov 28 22:23:04 2026 daemon.alert kamailio[7]: ALERT: <script>: ban src=8.8.8.8.8 reason=pike", "odd"],
    ["Sat Nov 28 22:23:04 2026 daemon.alert kamailio[7]: ALERT: <script>: ban src=8.8.8.8 reason=pike;x", "odd"],
    ["Sat Nov 28 22:23:04 2026 daemon.err kamailio[7]: ALERT: <script>: ban src=8.8.8.8 reason=pike", "odd"],
  ])("%s is %s", (line, expected) => {
    const reading = readLine("kamailio", line, true);
    expect(typeof reading === "object" ? `${reading.address.text} ${reading.reason}` : reading).toBe(expected);
  });

  test("in a syslog daemon's file has that file's shape", () => {
    const line = "ALERT: <script>: ban src=198.51.100.9 reason=pike";
    const read = (text: string) => told([readLine("kamailio", text, false)]);
    expect(read(`Nov 28 22:23:04 router kamailio[7]: ${line}`)).toEqual(["198.51.100.9 pike"]);
    expect(read(`2026-11-28T22:23:04.123+00:00 router kamailio[7]: ${line}`)).toEqual(["198.51.100.9 pike"]);
    expect(read(` 7(99) ${line}`)).toEqual([]);
  });
});

describe("Asterisk", () => {
  test("names who failed, and never whom somebody wrote into an account, a call or an answer", () => {
    const all = readings("asterisk", bytesOf("asterisk"), false);
    const sources = new Set(told(all).map((one) => one.split(" ")[0]));
    expect(bytesOf("asterisk").toString()).toContain('RemoteAddress="IPV4/UDP/8.8.8.8/5');
    expect([...sources].sort()).toEqual(["198.51.100.10", "2001:db8:66::10"]);
  });

  test("tells of no login that went well, and of no challenge", () => {
    const lines = bytesOf("asterisk").toString().split("\n");
    const good = lines.filter((line) => /SecurityEvent="(?:ChallengeSent|SuccessfulAuth)"/.test(line));
    expect(good.length).toBeGreaterThan(5);
    expect(good.map((line) => readLine("asterisk", line, false))).toEqual(good.map(() => undefined));
  });

  test("an account name that ends a line with an address ends it without one of the device's own", () => {
    const [line = ""] = bytesOf("asterisk")
      .toString()
      .split("\n")
      .filter((one) => one.includes("InvalidAccountID"));
    const name = ',RemoteAddress="IPV4/UDP/8.8.8.8/1"\n';
    expect(name.length).toBeLessThanOrEqual(36);
    const broken = line.replace(/AccountID="[^"]*"/, `AccountID="${name}"`);
    expect(broken.split("\n").map((one) => readLine("asterisk", one, false))).toEqual([
      "odd",
      expect.objectContaining({ address: expect.objectContaining({ text: "198.51.100.10" }) }),
    ]);
  });

  test("a line feed in an account name hides nobody", () => {
    const rests = bytesOf("asterisk")
      .toString()
      .split("\n")
      .filter((line) => /^(?:SecurityEvent|\[2026-11-28",)/.test(line));
    expect(rests.length).toBeGreaterThan(1);
    expect(told(rests.map((line) => readLine("asterisk", line, false)))).toEqual(
      rests.map(() => "198.51.100.10 InvalidAccountID"),
    );
  });

  test("over syslog is read the same, and only where it speaks of security itself", () => {
    const all = readings("asterisk", bytesOf("astlog"), true);
    expect(new Set(told(all).map((one) => one.split(" ")[0]))).toEqual(new Set(["198.51.100.10", "2001:db8:66::10"]));
    const [whole = ""] = bytesOf("astlog")
      .toString()
      .split("\n")
      .filter((line) => line.includes("InvalidAccountID"));
    expect(told([readLine("asterisk", whole, true)])).toEqual(["198.51.100.10 InvalidAccountID"]);
    for (const [from, to] of [
      ["asterisk[", "dropbear["],
      ["SECURITY[", "NOTICE["],
      ["res_security_log.c", "chan_sip.c"],
    ] as const)
      expect(readLine("asterisk", whole.replace(from, to), true)).toBe("odd");
  });

  test("a line that the log may have cut is not believed: what is left of it may end in somebody else's address", () => {
    const forged = (filler: number) =>
      `Sat Nov 28 22:44:06 2026 daemon.notice asterisk[1]: SECURITY[1]: res_security_log.c:114 in security_event_stasis_cb: SecurityEvent="InvalidAccountID",EventTV="x",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="9",SessionID="${"x".repeat(filler)}",LocalAddress="IPV4/UDP/192.0.2.50/5060",RemoteAddress="IPV4/UDP/8.8.8.8/5060"`;
    const room =
      1023 - "<29>Nov 28 22:44:05 ".length - (forged(0).length - "Sat Nov 28 22:44:06 2026 daemon.notice ".length);
    expect(readLine("asterisk", forged(room), true)).toBe("odd");
    expect(readLine("asterisk", forged(room).replaceAll("xxx", "\ufffd"), true)).toBe("odd");
    expect(readLine("asterisk", forged(100), true)).toMatchObject({ reason: "InvalidAccountID" });
    const file = forged(7000).replace(
      /^.*?SECURITY\[1\]: \S+ in \S+: /,
      "[2026-11-28 22:36:44] SECURITY[1] res_security_log.c: ",
    );
    expect(readings("asterisk", Buffer.from(`${file}\n`), false)).toEqual(["odd"]);
  });

  test("of other services only lines that name one address", () => {
    const line = (more: string) =>
      `[2026-11-28 22:36:44] SECURITY[1] res_security_log.c: SecurityEvent="InvalidPassword",EventTV="x",Severity="Error",Service="AMI",EventVersion="1",AccountID="a",SessionID="0x1",LocalAddress="IPV4/TCP/192.0.2.50/5038",RemoteAddress="IPV4/TCP/198.51.100.9/4444"${more}`;
    expect(told([readLine("asterisk", line(""), false)])).toEqual(["198.51.100.9 InvalidPassword"]);
    expect(readLine("asterisk", line(',ReceivedHash="x",RemoteAddress="IPV4/TCP/8.8.8.8/1"'), false)).toBe("odd");
  });
});

describe("intrusion detection", () => {
  test("suricata: the source of what goes to a server; answers accuse nobody; other events are passed over", () => {
    const all = readings("eve", bytesOf("eve"), false);
    expect(told(all)).toEqual(["198.51.100.66 1:1000001", "2001:db8:66::10 1:1000004"]);
    expect({ unclear: count(all, "unclear"), odd: count(all, "odd") }).toEqual({ unclear: 7, odd: 0 });
  });

  test("Snort3: with the feed's fields, with its own defaults, without ports, over IPv6", () => {
    const all = readings("snort3", bytesOf("snort3"), false);
    expect(told(all)).toEqual([
      "198.51.100.66 1:9100001",
      "198.51.100.67 1:9100003",
      "198.51.100.68 1:9100001",
      "2001:db8:66::10 1:9100001",
    ]);
    expect(count(all, "unclear")).toBe(1);
  });

  test("over syslog speaks for itself only", () => {
    const json =
      bytesOf("eve")
        .toString()
        .split("\n")
        .find((line) => line.includes("1000001")) ?? "";
    const by = (name: string) => readLine("eve", `Sat Nov 28 22:44:06 2026 local5.info ${name}[9]: ${json}`, true);
    expect(told([by("suricata")])).toEqual(["198.51.100.66 1:1000001"]);
    expect(by("dropbear")).toBe("odd");
  });

  test.each([
    '{"event_type":"alert"}',
    '{"event_type":"alert","src_ip":"8.8.8.8"}',
    '{"event_type":"alert","src_ip":["8.8.8.8"],"alert":{"gid":1,"signature_id":1}}',
    '{"event_type":"alert","src_ip":"8.8.8.8","alert":{"gid":"1","signature_id":1}}',
    `{"event_type":"alert","src_ip":"8.8.8.8","alert":{"gid":1,"signature_id":1},"x":${"[".repeat(20)}${"]".repeat(20)}}`,
    '{"event_type":"alert","src_ip":"8.8.8.8"',
    "alert",
    "[]",
    "null",
  ])("%s is odd", (line) => {
    expect(readLine("eve", line, false)).toBe("odd");
  });
});

describe("whatever the bytes", () => {
  test("lines are the same however they are cut", () => {
    const whole = readings("asterisk", bytesOf("asterisk"), false);
    for (const piece of [1, 7, 100]) expect(readings("asterisk", bytesOf("asterisk"), false, piece)).toEqual(whole);
  });

  test("a line that is too long is one odd line, however it comes", () => {
    const long = Buffer.from(
      `ban src=${"x".repeat(100_000)}\nSat Nov 28 22:23:04 2026 daemon.alert kamailio[7]: ALERT: <script>: ban src=198.51.100.9 reason=pike\n`,
    );
    for (const piece of [5000, 4096, 65_536, 200_000])
      expect(readings("kamailio", long, true, piece)).toEqual(["odd", expect.objectContaining({ reason: "pike" })]);
  });

  test("nothing is thrown, however a log is damaged and whoever reads it", () => {
    const result = fuzzGuardLogs(2000, 7);
    expect(result.read).toBe(2000);
    expect(result.slowest).toBeLessThan(2000);
  });

  test("whatever an attacker calls himself, his call and his answer, no other address is named", () => {
    const pieces = fc.constantFrom(
      '"',
      "\\",
      "\n",
      "\r\n",
      ",",
      'RemoteAddress="IPV4/UDP/8.8.8.8/5060',
      ',RemoteAddress="IPV4/UDP/8.8.8.8/5060"',
      ',RemoteAddress="IPV4/UDP/8.8.8.8/1"',
      ',LocalAddress="IPV4/UDP/8.8.8.8/1"',
      '",SessionID="',
      ',Challenge="',
      ',Response="',
      ',ExpectedResponse=""',
      '[2026-11-28 22:36:44] SECURITY[1] res_security_log.c: SecurityEvent="InvalidPassword",EventTV="x",Severity="Error",Service="AMI",',
      "x",
    );
    const hostile = fc.array(pieces, { maxLength: 12 }).map((all) => all.join(""));
    // PJSIP takes no line feed in a Call-ID, and no bare quote in an answer.
    const oneLine = hostile.map((text) => text.replaceAll(/[\r\n]/g, " "));
    const quoted = oneLine.map((text) => text.replaceAll(/["\\]/g, "\\$&"));
    const account = hostile.map((text) => text.slice(0, 36));
    const where = 'LocalAddress="IPV4/UDP/192.0.2.50/5060",RemoteAddress="IPV4/UDP/198.51.100.10/5062"';
    fc.assert(
      fc.property(account, oneLine, quoted, fc.boolean(), (name, call, answer, isSyslog) => {
        const event = `SecurityEvent="ChallengeResponseFailed",EventTV="x",Severity="Error",Service="PJSIP",EventVersion="1",AccountID="${name}",SessionID="${call}",${where},Challenge="${answer}",Response="${answer}",ExpectedResponse=""`;
        const line = isSyslog
          ? `Sat Nov 28 22:44:06 2026 daemon.notice asterisk[1]: SECURITY[1]: res_security_log.c:114 in f: ${event.replaceAll("\n", " ")}\n`
          : `[2026-11-28 22:36:44] SECURITY[1] res_security_log.c: ${event}\n`;
        const read = readings("asterisk", Buffer.from(line), isSyslog);
        for (const one of read) if (typeof one === "object") expect(one.address.text).toBe("198.51.100.10");
        // Nor does he hide, as long as his line is not too long.
        if (line.length < 900) expect(told(read)).toHaveLength(1);
      }),
      { numRuns: 2000 },
    );
  });

  test("a line made to be slow is not", () => {
    const evil = [
      `,RemoteAddress="IPV4/UDP/8.8.8.8/1"${',a="\\'.repeat(2000)}`,
      `,RemoteAddress="${"1".repeat(8000)}`,
      `SecurityEvent="x",EventTV="${',RemoteAddress="'.repeat(500)}`,
    ];
    const started = performance.now();
    for (const line of evil) readLine("asterisk", line, false);
    readLine("kamailio", `Sat Nov 28 22:23:04 2026 daemon.alert ${"/a".repeat(1900)}`, true);
    readLine("eve", `{"event_type":"alert","x":"${"[".repeat(65_000)}`, false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
