import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Invocation } from "../../src/commands/command.ts";
import { hooks } from "../../src/commands/hooks.ts";
import { PLAIN } from "../../src/messages.ts";

let folder: string;
const program = process.argv[1] ?? "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-hooks-"));
  process.argv[1] = resolve("scripts/after-build.mjs"); // the program's place: the library is found from there
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  process.argv[1] = program;
});

function invoke(words: readonly string[], root = "/"): { exit: Promise<string>; printed: string[] } {
  const printed: string[] = [];
  const flags = { isJson: false, isQuiet: false, isVerbose: false, isForced: false, isDry: false, isFirstOnly: false };
  const invocation: Invocation = {
    keepCode: () => undefined,
    root,
    words,
    flags: {
      ...flags,
      isTransaction: false,
      showsSecrets: false,
      isStrict: false,
      isAdded: false,
      hasPassphrase: false,
      isOnce: false,
      isStatus: false,
    },
    options: {} as Invocation["options"], // this command takes none
    signal: new AbortController().signal,
    paint: PLAIN,
    print: (text) => void printed.push(text),
    tell: () => undefined,
  };
  return { exit: hooks(invocation), printed };
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const PHONES = `
uciprov_uri phones '{base_uri}/phones'
uciprov_hook_add plan make
uciprov_hook_add preinit fine
uciprov_hook_add apply bad
make() { uciprov_fetch phones "$UCIPROV_WORK/p" && uciprov_file /etc/phones "$UCIPROV_WORK/p"; return 0; }
fine() { :; }
bad() { return 3; }
`;

describe("uciprov hooks test", () => {
  test("tries a good module, its plan and the named hooks", async () => {
    const file = write("50-phones.sh", PHONES);
    const list = write("phones.txt", "100 anna\n");
    const { exit, printed } = invoke(["test", file, `phones=${list}`, "preinit"]);
    expect(await exit).toBe("provisioned");
    expect(printed).toEqual([
      "ok    it loads",
      "ok    a tree that has nothing for it changes nothing and is no fault",
      "      file /etc/phones",
      "ok    what was given is planned without a fault",
      "ok    the same resources give the same changes",
      "ok    its hook in preinit",
    ]);
  });

  test("tells what becomes of services and packages", async () => {
    const text =
      "uciprov_uri a '{base_uri}/a'\nuciprov_hook_add plan p\np() { uciprov_fetch a /dev/null || return 0; uciprov_service pbx started; uciprov_service pbx reload /etc/pbx/; uciprov_package pbx -old; uciprov_reboot the kernel; }\n";
    const { exit, printed } = invoke(["test", write("50-told.sh", text), `a=${write("a.txt", "a")}`]);
    expect(await exit).toBe("provisioned");
    expect(printed.map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        "service pbx: started",
        "service pbx: reload when /etc/pbx/ changes",
        "packages pbx -old",
        "reboot: the kernel",
      ]),
    );
  });

  test("tells what is wrong, each in its line", async () => {
    const { exit, printed } = invoke(["test", write("50-phones.sh", PHONES), "apply", "done"]);
    expect(await exit).toBe("failed");
    expect(printed.slice(2)).toEqual([
      "fault its hook in apply: HOOK_FAILED: module phones in apply ended with status 3",
      "fault its hook in done: it has none",
    ]);
  });

  test("tells why a script does not load, and that one adds nothing", async () => {
    for (const [name, text, says] of [
      ["50-boo.mjs", 'throw new Error("boo");', "because boo"],
      ["50-syntax.mjs", "export default (;", ", because "],
      ["50-mark.sh", "\ufeffuciprov_hook_add plan p\np() { :; }\n", "it adds nothing"],
      ["50-empty.sh", "", "it adds nothing"],
    ] as const) {
      const { exit, printed } = invoke(["test", write(name, text)]);
      expect(await exit).toBe("failed");
      expect(printed[0]).toMatch(/^fault it loads: /);
      expect(printed[0]).toContain(says);
    }
  });

  test("a fault in what was given is no doubt of the module", async () => {
    const text =
      "uciprov_uri a '{base_uri}/a'\nuciprov_hook_add plan p\np() { uciprov_fetch a /dev/null || return 0; uciprov_fault 'line 4 is wrong'; }\n";
    const { exit, printed } = invoke(["test", write("50-told.sh", text), `a=${write("a.txt", "a")}`]);
    expect(await exit).toBe("failed");
    expect(printed.slice(2)).toEqual([
      "fault what was given is planned without a fault: error: line 4 is wrong",
      "ok    the same resources give the same changes",
    ]);
  });

  test("tells of a place where no module may write", async () => {
    const text =
      'uciprov_uri a \'{base_uri}/a\'\nuciprov_hook_add plan p\np() { uciprov_fetch a "$UCIPROV_WORK/a" || return 0; uciprov_file /etc/uciprov/keys/x "$UCIPROV_WORK/a"; }\n';
    const { exit, printed } = invoke(["test", write("50-told.sh", text), `a=${write("a.txt", "a")}`]);
    expect(await exit).toBe("failed");
    expect(printed.join("\n")).toMatch(/^fault what was given .*\/etc\/uciprov\/keys\/x.*uciprov's own/m);
  });

  test("tells that a module changes something where nothing came", async () => {
    const file = write(
      "50-odd.mjs",
      'export default ({ remove }) => ({ name: "odd", plan: () => [remove("/etc/x", { module: "odd" })] });',
    );
    const { exit, printed } = invoke(["test", file]);
    expect(await exit).toBe("failed");
    expect(printed[1]).toBe("fault a tree that has nothing for it changes nothing and is no fault: remove /etc/x");
  });

  test("a file that is not named like a module, or no act at all, is wrong use", async () => {
    await expect(invoke(["test", write("phones.sh", PHONES)]).exit).rejects.toMatchObject({ code: "USAGE" });
    await expect(invoke(["probe"]).exit).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("uciprov hooks list", () => {
  test("lists the shipped modules with what they fetch", async () => {
    const { exit, printed } = invoke(["list"], folder);
    expect(await exit).toBe("provisioned");
    expect(printed).toEqual(expect.arrayContaining([expect.stringMatching(/^overlay +fetches overlay/)]));
  });

  test("a device's own below a scratch root are told, and not run", async () => {
    const modules = join(folder, "etc/uciprov/modules.d");
    mkdirSync(modules, { recursive: true });
    writeFileSync(join(modules, "50-x.sh"), "touch /tmp/ran\n");
    chmodSync(join(modules, "50-x.sh"), 0o644);
    const { exit, printed } = invoke(["list"], folder);
    expect(await exit).toBe("provisioned");
    expect(printed.join("\n")).not.toMatch(/^x /m);
  });
});
