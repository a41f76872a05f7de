import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { idleChoices } from "../../src/module-choice.ts";
import { plugins } from "../../src/registry.ts";
import { OPTIONS, readSettings } from "../../src/settings.ts";
import { parsePackage } from "../../src/uci/parse.ts";

const read = (text: string) => readSettings(parsePackage(text, { name: "uciprov" }));

test("no file means every default", () => {
  const { settings, findings } = readSettings(undefined);
  expect(findings).toEqual([]);
  expect(settings.main.trust).toBe("authentic");
  expect(settings.main.resolver).toEqual(["static", "https", "dnssec", "dns", "dhcp", "lldp"]);
  expect(settings.static.base_uri).toBeUndefined();
  expect(settings.macros).toEqual([]);
});

test("sections are found by their name, and keep the defaults of what they leave out", () => {
  const { settings } = read("config uciprov 'dns'\n\toption name 'prov.example'\n\tlist server '192.0.2.1#5353'\n");
  expect(settings.dns).toMatchObject({ name: "prov.example", server: ["192.0.2.1#5353"], port: 53, enabled: true });
});

test("macros and resources are read by section name", () => {
  const { settings } = read(
    "config macro 'site'\n\toption value 'lab'\nconfig resource 'extra'\n\toption module 'uci'\n\toption uri '{base_uri}/x.uci'\n\toption mode 'replace'\n",
  );
  expect(settings.macros).toEqual([{ name: "site", value: "lab" }]);
  expect(settings.resources).toEqual([
    { name: "extra", uri: "{base_uri}/x.uci", isEnabled: true, module: "uci", mode: "replace" },
  ]);
});

test("a resource is off by every word that is off, and a word that is none is wrong", () => {
  const enabled = (word: string) => `config resource 'image'\n\toption enabled '${word}'\n`;
  for (const word of ["0", "off", "no", "false", "disabled"])
    expect(read(enabled(word)).settings.resources).toMatchObject([{ isEnabled: false }]);
  for (const word of ["1", "on", "yes", "true", "enabled"])
    expect(read(enabled(word)).settings.resources).toMatchObject([{ isEnabled: true }]);
  expect(() => read(enabled("never"))).toThrow(ProvisionError);
});

test("what nobody reads is told: sections of other types, without a name, and options of other names", () => {
  const { findings } = read(
    "config resourse 'image'\n\toption enabled '0'\nconfig macro\n\toption value 'x'\nconfig resource 'a'\n\toption url 'x'\nconfig macro 'm'\n\toption val 'x'\n",
  );
  expect(findings.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
    "warning uciprov.image: nobody reads a section `config resourse`",
    "warning uciprov.anonymous: a section `config macro` without a name is not read",
    "warning uciprov.a.url: is no option uciprov knows",
    "warning uciprov.m.val: is no option uciprov knows",
  ]);
});

test("choices and resources to no effect are told, others are not", () => {
  const idle = (text: string) => idleChoices(read(text).settings, plugins.modules);
  expect(
    idle(
      "config uciprov 'main'\n\tlist module '-led'\nconfig resource 'overlay'\n\toption enabled '0'\nconfig resource 'x'\n\toption module 'uci'\n\toption uri 'https://a/'\nconfig resource 'y'\n\toption module 'uci'\n\toption enabled '0'\n",
    ),
  ).toEqual([]);
  expect(
    idle(
      "config uciprov 'main'\n\tlist module 'led'\nconfig resource 'overley'\n\toption uri 'https://a/'\nconfig resource 'x'\n\toption module 'uki'\n\toption uri 'https://a/'\nconfig resource 'y'\n\toption module 'uci'\n",
    ).map((line) => line.split(/ leaves| does/)[0]),
  ).toEqual(["main.module: led", "config resource 'overley'", "config resource 'x'", "config resource 'y'"]);
});

describe("wrong values", () => {
  test("are all told at once, with their option", () => {
    const text =
      "config uciprov 'main'\n\toption trust 'everybody'\n\toption threshold '0'\n\toption enabled 'maybe'\nconfig uciprov 'confirm'\n\toption window '1e3'\n";
    try {
      read(text);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(ProvisionError);
      const error = thrown instanceof ProvisionError ? thrown : undefined;
      expect(error?.code).toBe("SETTINGS_INVALID");
      expect(error?.findings.map(({ place }) => place?.option)).toEqual([
        "main.enabled",
        "main.trust",
        "main.threshold",
        "confirm.window",
      ]);
    }
  });

  test.each(["-1", " 5", "5s", "0x10", "99999999999", ""])("%j is no number of seconds", (value) => {
    const given = () => read(`config uciprov 'limits'\n\toption idle_seconds '${value}'\n`);
    // An empty option does not exist in UCI, so it is the default.
    if (value === "") expect(given().settings.limits.idle_seconds).toBe(OPTIONS.limits.idle_seconds.initial);
    else expect(given).toThrow(expect.objectContaining({ code: "SETTINGS_INVALID" }));
  });

  test("an option that nobody knows is a warning: an older program lives with a newer file", () => {
    const { findings } = read("config uciprov 'main'\n\toption shiny '1'\n");
    expect(findings).toMatchObject([{ severity: "warning", place: { option: "main.shiny" } }]);
  });
});

test("each default is a value that its own reader takes", () => {
  for (const [section, options] of Object.entries(OPTIONS)) {
    for (const [name, { type, initial }] of Object.entries(options)) {
      if (initial === undefined || type === "list") continue;
      const word = typeof initial === "boolean" ? (initial ? "1" : "0") : String(initial);
      const { settings } = read(`config uciprov '${section}'\n\toption ${name} '${word}'\n`);
      expect(Object.entries(settings).find(([key]) => key === section)?.[1]).toMatchObject({ [name]: initial });
    }
  }
});

test("an item of a list that can have no effect is a warning, for a mistyped one would let somebody in, or something be changed", () => {
  const told = (option: string, items: readonly string[]) =>
    read(`config uciprov 'main'\n${items.map((item) => `\tlist ${option} '${item}'\n`).join("")}`).findings.map(
      ({ severity, message }) => `${severity} ${message}`,
    );
  expect(told("resolver", ["static", "dnsec", "dns"])).toEqual([
    "warning uciprov.main.resolver: dnsec is no resolver, and is not asked",
  ]);
  expect(
    told(
      "resolver",
      plugins.resolvers.map(({ name }) => name),
    ),
  ).toEqual([]);
  const idle = {
    protect: ["network.", "etc/banner", "a.b.c.d", "a b", "/", "network .lan"],
    allowed_host: ["https://cfg.example", "cfg.example:8443", "cfg.example/tree", "me@cfg.example"],
    reboot: ["etc/modules.d", "network.lan"],
  };
  for (const [option, items] of Object.entries(idle)) {
    expect(told(option, items)).toHaveLength(items.length);
    expect(told(option, items)[0]).toContain(`warning uciprov.main.${option}: ${items[0]} `);
  }
  expect(
    told("protect", ["network", "wi-fi", "network.lan", "firewall.@rule", "firewall.@rule[0].src", "/etc/x y"]),
  ).toEqual([]);
  expect(
    told("allowed_host", ["cfg.example", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1"]),
  ).toEqual([]);
  expect(told("reboot", ["network", "/etc/modules.d"])).toEqual([]);
});
