import fc from "fast-check";
import { expect, test } from "vitest";
import { isBelow, isHost, parseUri, redactUri } from "../../src/uri.ts";
import { failure } from "../macros/table.ts";

const parse = (text: string) => parseUri(text, "test");

test("a URI comes apart, in normal form", () => {
  expect(parse("HTTPS://Cfg.Example:443/a/b?x=1")).toEqual({
    scheme: "https",
    host: "cfg.example",
    port: 443,
    path: "/a/b",
    query: "x=1",
    text: "https://cfg.example/a/b?x=1",
  });
  expect(parse("http://[2001:DB8:0::1]:8080")).toMatchObject({ host: "[2001:db8::1]", port: 8080, path: "/" });
  expect(parse("http://192.0.2.7/")).toMatchObject({ host: "192.0.2.7", port: 80 });
});

test.each([
  "",
  "cfg.example/a",
  "/a",
  "//cfg.example/a",
  "https:cfg.example",
  "https:/cfg.example/",
  "https:///a",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "javascript://h/%0aalert(1)",
  "ftp://h/",
  "https://user@h/",
  "https://user:pw@h/",
  "https://@h/",
  "https://h/#x",
  "https://h/#",
  "https://h/a b",
  " https://h/",
  "https://h/\n",
  "https://h/a\\b",
  "https:\\\\h\\a",
  "https://h\\@evil/",
  "https://h/é",
  "https://hé/",
  "https://h/%",
  "https://h/%zz",
  "https://h/?%a",
  "https://h/?a b",
  "https://h/a/../b",
  "https://h/./b",
  "https://h/..",
  "https://h/%2e%2E/b",
  "https://h/.%2e",
  "https://h:/a",
  "https://h:0/",
  "https://h:080/",
  "https://h:65536/",
  "https://h:80:80/",
  "https://h./",
  "https://.h/",
  "https://a..b/",
  "https://-a.example/",
  "https://a-.example/",
  `https://${"a".repeat(64)}.example/`,
  `https://${"a.".repeat(127)}example/`,
  "https://127.1/",
  "https://2130706433/",
  "https://0x7f.0.0.1/",
  "https://010.0.0.1/",
  "https://256.0.0.1/",
  "https://1.2.3.4.5/",
  "https://a.example.09/",
  "https://[::1/",
  "https://[::g]/",
  "https://[1:2]/",
  "https://[fe80::1%25eth0]/",
  "https://::1/",
  "https://h/<x>",
  "https://h/{x}",
  "https://h/|",
  'https://h/"',
])("%j is refused", (text) => {
  expect(failure(() => parse(text)).code).toBe("URI_INVALID");
});

test("2048 bytes are the most", () => {
  const longest = `https://h/${"a".repeat(2048 - 10)}`;
  expect(parse(longest).text).toBe(longest);
  expect(failure(() => parse(`${longest}a`)).code).toBe("URI_INVALID");
  expect(failure(() => parse("https://h/".repeat(1000))).code).toBe("URI_INVALID");
});

test("the error never tells a password", () => {
  expect(failure(() => parse("https://user:secret@h/")).message).not.toContain("secret");
});

test("whatever is accepted, a WHATWG parser reads the same, and reading it again changes nothing", () => {
  const scheme = fc.constantFrom("http://", "https://", "HTTP://");
  const host = fc.constantFrom(
    "h",
    "Cfg.Example",
    "a_b.example",
    "192.0.2.1",
    "[::1]",
    "h:443",
    "h:80",
    "h:8080",
    "xn--bcher-kva.example",
  );
  const rest = fc.array(
    fc.constantFrom("/", "a", "B", ".", "..", "%41", "%2e", "%2F", "'", "?", "=", "&", "~", ":", "@", "'"),
    {
      maxLength: 10,
    },
  );
  let accepted = 0;
  fc.assert(
    fc.property(scheme, host, rest, (s, h, r) => {
      const text = `${s}${h}/${r.join("")}`;
      let plain: ReturnType<typeof parse>;
      try {
        plain = parse(text);
      } catch {
        return;
      }
      accepted += 1;
      const url = new URL(text);
      expect(plain.text).toBe(url.href);
      expect(plain.host).toBe(url.hostname);
      expect(plain.path).toBe(url.pathname);
      expect(url.pathname.split("/").length).toBe(text.replace(/\?.*/, "").split("/").length - 2);
      expect(parse(plain.text)).toEqual(plain);
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(1000);
});

test.each([
  ["https://user:secret@h/a", "https://h/a"],
  ["https://secret@h", "https://h"],
  ["https://user:sec/ret@h/a", "https://h/a"],
  ["https://a@secret@h/a", "https://h/a"],
  ["https://h/@scope/x", "https://h/@scope/x"],
  ["https://h:8443/@scope/x", "https://h:8443/@scope/x"],
  ["https://[::1]:8443/@scope/x", "https://[::1]:8443/@scope/x"],
  ["https://h/a?token=secret&x=secret#secret", "https://h/a?token=…&x=…"],
  ["https://h/a?secret", "https://h/a?…"],
  ["https://h/a?x=1?secret", "https://h/a?x=…"],
  ["user:secret@h/a", "h/a"],
  ["https:\\\\user:secret@h\\a", "https:\\\\h\\a"],
  ["https://h/a\nb\u202ec", "https://h/a?b?c"],
  ["", ""],
])("%j is logged as %j", (text, shown) => {
  expect(redactUri(text)).toBe(shown);
});

test("redacting takes anything, stays short and on one line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
      const shown = redactUri(text);
      expect(shown.length).toBeLessThanOrEqual(300);
      expect(shown).not.toMatch(/[\0-\x1f\x7f]/);
    }),
  );
  const secrets = fc.stringMatching(/^[A-Za-z0-9:/@]{8,20}$/).map((text) => `sEcReT${text}`);
  fc.assert(
    fc.property(secrets, (secret) => {
      expect(redactUri(`https://user:${secret}@h/a?k=${encodeURIComponent(secret)}`)).not.toContain("sEcReT");
    }),
  );
});

test.each([
  ["https://h/a/b", "https://h/a", true],
  ["https://h/a/b", "https://h/a/", true],
  ["https://h/a/b?x", "https://h/a/", true],
  ["https://h/ab", "https://h/a", false],
  ["https://h/a", "https://h/a/", false],
  ["https://h/b", "https://h", true],
  ["http://h/a/b", "https://h/a", false],
  ["https://h:444/a/b", "https://h/a", false],
  ["https://h.evil/a/b", "https://h/a", false],
  ["https://h/a/..%2fb", "https://h/a", false],
  ["https://h/a/..%5Cb", "https://h/a", false],
  ["https://h/a/b", "https://h/a?x=1", false],
])("%s below %s: %s", (uri, base, isIt) => {
  expect(isBelow(parse(uri), parse(base))).toBe(isIt);
});

test("a host in settings is that host alone: letter case and the form of IPv6 do not count, a port does", () => {
  for (const [said, host] of [
    ["CFG.example", "cfg.example"],
    ["2001:DB8::1", "[2001:db8::1]"],
    ["[2001:db8:0:0::1]", "[2001:db8::1]"],
    ["192.0.2.1", "192.0.2.1"],
  ] as const)
    expect(isHost(said, host)).toBe(true);
  for (const said of [
    "",
    "example",
    "www.cfg.example",
    "cfg.example:443",
    "*.example",
    "cfg.example/",
    "[cfg.example]",
    "::1",
    "[::1",
  ])
    expect(isHost(said, "cfg.example")).toBe(false);
  for (const said of ["[::1]:443", "::1]", "[::1", "::1/", "1"]) expect(isHost(said, "[::1]")).toBe(false);
});
