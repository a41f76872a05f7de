import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diffPackages, isSecretOption, maskedValue, printDiff } from "../../src/uci/diff.ts";
import { parsePackage } from "../../src/uci/parse.ts";

const pkg = (text: string) => parsePackage(text, { name: "network" });
const bare = { added: String, removed: String, changed: String, quiet: String };
const show = (before: string | undefined, after: string | undefined, options = {}) =>
  printDiff(
    diffPackages(before === undefined ? undefined : pkg(before), after === undefined ? undefined : pkg(after)),
    bare,
    options,
  );

describe("printDiff", () => {
  test("one line an option", () => {
    expect(
      show(
        "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n\toption gone 'x'\n\tlist dns 'a'\n\tlist dns 'b'\n\nconfig interface 'old'\n",
        "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\tlist dns 'a'\n\tlist dns 'c'\n\toption new ' y'\n\nconfig device\n\toption name 'br'\n",
      ),
    ).toBe(
      [
        "- network.old=interface",
        "- network.lan.gone: x",
        "network.lan.ipaddr: 192.168.1.1 → 10.0.0.1",
        "network.lan.dns: -b +c",
        '+ network.lan.new: " y"',
        "+ network.@device[0]=device",
        "+   network.@device[0].name: br",
        "",
      ].join("\n"),
    );
  });

  test("secrets stay hidden unless asked for", () => {
    const [before, after] = [
      "config wifi 'a'\n\toption key 'geheim1'\n",
      "config wifi 'a'\n\toption key 'geheim2'\n\tlist psk 'x'\n",
    ];
    expect(show(before, after)).toBe("network.a.key: (secret) → (secret)\n+ network.a.psk: (secret)\n");
    expect(show(before, after, { showSecrets: true })).toContain("geheim2");
    for (const name of [
      "key",
      "wpa_psk",
      "auth_secret",
      "private_key",
      "admin_password",
      "pincode2_pin",
      "pincode",
      "auth_pass",
      "privacy_pass",
      "faskey",
      "community",
      "r0kh",
      "key4",
      "wpakey",
    ])
      expect(isSecretOption(name)).toBe(true);
    for (const name of ["public_key", "keyboard", "monkey", "proto", "bypass", "community_list", "spin"])
      expect(isSecretOption(name)).toBe(false);
  });

  test("passwords and tokens in URIs stay hidden, all else of them is shown", () => {
    for (const [uri, shown] of [
      ["https://me:hunter2@dyn.example/u?host=gate&ip=[IP]", "https://me:(secret)@dyn.example/u?host=gate&ip=[IP]"],
      ["https://me:a:b@x.example/", "https://me:(secret)@x.example/"],
      ["https://ghp0123456789abcdefghij@git.example/r", "https://(secret)@git.example/r"],
      ["https://x.example/?token=abc&api-key=b;n=1", "https://x.example/?token=(secret)&api-key=(secret);n=1"],
      ["https://x.example/?k=0123456789abcdef0123", "https://x.example/?k=(secret)"],
      ["https://x.example/#t=eyJhbGciOi.eyJz.x", "https://x.example/#t=(secret)"],
      ["curl 'https://x.example/?sig=1' -o /tmp/x", "curl 'https://x.example/?sig=(secret)' -o /tmp/x"],
    ] as const) {
      const after = `config a 'b'\n\toption c "${uri}"\n`;
      expect(maskedValue(uri)).toBe(shown);
      expect(show("config a 'b'\n", after)).toContain(shown.includes("[") ? `"${shown}"` : shown);
      expect(show("config a 'b'\n", after, { showSecrets: true })).toContain(uri);
      expect(maskedValue([uri, "x"])).toEqual([shown, "x"]);
    }
    for (const uri of [
      "http://[USERNAME]:[PASSWORD]@dyn.example/nic?hostname=[DOMAIN]&pass=[PASSWORD]",
      "https://cfg.example/{site}/?serial={serial}&mac=02005e100001&host=a-very-long-name-1.example.net",
      "https://[2001:db8::1]:8443/a@b/0123456789abcdef0123456789abcdef",
      "sip:alice:x@example.net",
    ])
      expect(maskedValue(uri)).toBe(uri);
    for (const piece of ["a.", "a://", "?a", "&a=", "a:"]) {
      const began = performance.now();
      maskedValue(`x://${piece.repeat(500_000)}`);
      expect(performance.now() - began).toBeLessThan(2000);
    }
  });

  test("nothing in it can steer a terminal", () => {
    const text = show(undefined, "config a 'b'\n\toption c '\x1b[31m\x9b1m\u202e\n'\n");
    expect(text).not.toMatch(/[\x1b\x9b\u202e]/);
    expect(text).toContain("\\u001b[31m");
  });

  test("files that come, go, and stay", () => {
    expect(show(undefined, "")).toBe("+ network (new file)\n");
    expect(show("config a\n", undefined)).toBe("- network (file removed)\n- network.@a[0]=a\n");
    expect(show(undefined, undefined)).toBe("");
    expect(diffPackages(pkg("config a\n"), pkg("config a\n")).change).toBe("none");
  });

  test("moving one section is one move", () => {
    const [a, b, c] = ["config x 'a'\n", "config x 'b'\n", "config x 'c'\n"];
    expect(show(a + b + c, c + a + b)).toBe("network.c: position 2 → 0\n");
  });

  test("an unnamed rule that was changed a little is told as a change", () => {
    const rule = "config rule\n\toption src 'wan'\n\toption proto 'tcp'\n\toption port '1'\n";
    expect(show(rule, rule.replace("'1'", "'2'"))).toBe("network.@rule[0].port: 1 → 2\n");
  });
});

test("the diff of a thing with itself is none, and of two different things is some; both are plain JSON", () => {
  const section = fc.record({
    type: fc.constantFrom("a", "b"),
    name: fc.option(fc.constantFrom("x", "y"), { nil: undefined }),
    options: fc.uniqueArray(fc.record({ name: fc.constantFrom("o", "p"), value: fc.constantFrom("1", "2") }), {
      selector: ({ name }) => name,
    }),
  });
  const sections = fc.uniqueArray(section, { selector: ({ name }) => name ?? Math.random(), maxLength: 6 });
  fc.assert(
    fc.property(sections, sections, (one, two) => {
      const before = { name: "network", sections: one };
      const after = { name: "network", sections: two };
      const diff = diffPackages(before, after);
      expect(diffPackages(before, before)).toEqual({ package: "network", change: "none", sections: [] });
      const plain = (list: typeof one) =>
        JSON.stringify(
          list.map((own) => ({ ...own, options: [...own.options].sort((a, b) => (a.name < b.name ? -1 : 1)) })),
        );
      expect(diff.change === "none").toBe(plain(one) === plain(two));
      expect(JSON.parse(JSON.stringify(diff))).toEqual(diff);
    }),
  );
});
