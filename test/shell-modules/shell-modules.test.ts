import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Change, HookPoint, Module } from "../../src/api.ts";
import { asProvisionError, type ProvisionError } from "../../src/errors.ts";
import { findModuleFiles } from "../../src/module-files.ts";
import { loadShellModule } from "../../src/shell-modules.ts";
import { type AshRoot, ashRoot, noAsh } from "../helpers/ash.ts";
import { hookContext, macroTable } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";

describe.skipIf(noAsh !== undefined)("shell modules under busybox ash", () => {
  let device: AshRoot;
  beforeEach(() => {
    device = ashRoot();
  });
  afterEach(() => device.remove());

  const signal = new AbortController().signal;

  async function load(text: string): Promise<Module> {
    device.module("50-mine.sh", text);
    const [from] = findModuleFiles(device.door.disk).found;
    if (from === undefined) throw new Error("the test's own module was not found");
    return loadShellModule(device.door, from, signal);
  }

  async function hook(module: Module, point: HookPoint, more?: Parameters<typeof hookContext>[1]) {
    const seen = hookContext(point, more);
    await module.hooks?.[point]?.(seen.context);
    return seen;
  }

  async function fault(doing: Promise<unknown>): Promise<ProvisionError> {
    const thrown = await doing.then(
      () => new Error("nothing was refused"),
      (error: unknown) => error,
    );
    return asProvisionError(thrown);
  }

  describe("adding hooks", () => {
    test("preapply and uciprov_preapply name the same stage", async () => {
      const module = await load("uciprov_hook_add preapply a\nuciprov_hook_add uciprov_apply a\na() { :; }\n");
      expect(Object.keys(module.hooks ?? {}).sort()).toEqual(["apply", "preapply"]);
      expect(module.name).toBe("mine");
    });

    test("several functions of one stage run in the order they were added, and share variables", async () => {
      const module = await load(`
        uciprov_hook_add preapply one
        uciprov_hook_add preapply two
        one() { kept=first; }
        two() { uciprov_set order "$kept second"; }
      `);
      expect((await hook(module, "preapply")).set).toEqual({ order: { value: "first second", isTainted: true } });
    });

    test("a function may have a name that begins with uciprov_, also a stage's", async () => {
      const module = await load(
        "uciprov_hook_add preapply uciprov_preapply\nuciprov_preapply() { uciprov_set ran yes; }\n",
      );
      expect((await hook(module, "preapply")).set).toHaveProperty("ran");
    });

    test.each(["config", "option", "list", "package"])(
      "a function named like OpenWrt's own %s is refused",
      async (name) => {
        const error = await fault(load(`uciprov_hook_add apply ${name}\n${name}() { :; }\n`));
        expect(error).toMatchObject({ code: "HOOK_FAILED", message: expect.stringContaining(name) });
      },
    );

    test.each([
      ["an unknown stage", "uciprov_hook_add boot a\na() { :; }\n"],
      ["a function that is not there", "uciprov_hook_add apply nowhere\n"],
      ["a command that is no function", "uciprov_hook_add apply reboot\n"],
      ["a name that is none", "uciprov_hook_add apply 'a; touch /tmp/x'\n"],
      ["a function of the library", "uciprov_hook_add apply uciprov_get\n"],
      ["no function at all", "uciprov_hook_add apply\n"],
      ["a syntax error", "uciprov_hook_add apply a\na() { if\n"],
      ["an exit while it is loaded", "uciprov_hook_add apply a\na() { :; }\nexit 0\n"],
      ["a closed descriptor", "uciprov_hook_add apply a\na() { :; }\nexec 3>&-\n"],
      ["a word the library would not say", "printf 'obey\\tme\\n' >&3\n"],
      ["a flood of words", "yes loaded | head -n 90000 >&3\n"],
    ])("%s is refused when it is loaded", async (_, text) => {
      expect((await fault(load(text))).code).toBe("HOOK_FAILED");
    });

    test("a module that ends with a test that is false is loaded all the same", async () => {
      const module = await load("uciprov_hook_add apply a\na() { :; }\n[ -f /nowhere ] && uciprov_hook_add done a\n");
      expect(Object.keys(module.hooks ?? {})).toEqual(["apply"]);
    });

    test("a module that redefines the library and the shell's manners hurts itself only", async () => {
      const module = await load(`
        set -e; set -u; IFS=x
        uciprov_hook_add apply a
        a() { uciprov_set fine yes; }
        uciprov__say() { echo stolen >&3; }
        printf() { echo stolen; }
        read() { return 1; }
      `);
      expect((await hook(module, "apply")).set).toHaveProperty("fine");
    });
  });

  describe("what a function is given", () => {
    test("macros, by name and as variables, and nothing of our environment", async () => {
      process.env["UCIPROV_TEST_SECRET"] = "secret";
      const module = await load(`
        uciprov_hook_add preinit a
        a() {
          uciprov_set mac "$(uciprov_get mac)/$UCIPROV_MAC"
          uciprov_set stage "$UCIPROV_STAGE $UCIPROV_MODULE"
          uciprov_get nothing || uciprov_set absent "status $?"
          uciprov_get fd >/dev/null && uciprov_set empty there
          uciprov_set secret "<$UCIPROV_TEST_SECRET$LD_PRELOAD>"
          uciprov_set odd "$(uciprov_get site)"
        }
      `);
      const site = "a'b\"c $(touch x) `id` ; \\ {fd}ü";
      const { set } = await hook(module, "preinit", { macros: { mac: "020000000001", fd: "", site } });
      expect(set).toMatchObject({
        mac: { value: "020000000001/020000000001" },
        stage: { value: "preinit mine" },
        absent: { value: "status 1" },
        empty: { value: "there" },
        secret: { value: "<>" },
        odd: { value: site.replace("{fd}", "") },
      });
    });

    test("no input, its own process group, and a working descriptor for errors", async () => {
      const module = await load(`
        uciprov_hook_add preinit a
        a() { uciprov_set input "<$(cat)>"; echo printed; echo wrong >&2; }
      `);
      expect((await hook(module, "preinit")).set).toEqual({ input: { value: "<>", isTainted: true } });
      expect(device.logged).toEqual(expect.arrayContaining(["info mine: printed", "info mine: wrong"]));
    });

    test("a macro it sets it can read, and vouch for", async () => {
      const module = await load(`
        uciprov_hook_add preinit a
        a() { uciprov_set site lab authentic; uciprov_set again "$(uciprov_get site)"; }
      `);
      expect((await hook(module, "preinit")).set).toEqual({
        site: { value: "lab", isTainted: false },
        again: { value: "lab", isTainted: true },
      });
    });

    test.each(["'two\nlines'", "'a\ttab'", "\"$(printf '\\033[2J')\""])(
      "a value with a control character is refused: %j",
      async (value) => {
        const module = await load(`uciprov_hook_add preinit a\na() { uciprov_set site ${value}; }\n`);
        expect((await fault(hook(module, "preinit"))).code).toBe("HOOK_FAILED");
      },
    );

    test("the log gets levels, and one line of whatever", async () => {
      const module = await load(`
        uciprov_hook_add preinit a
        a() { uciprov_log warning 'two
lines'; uciprov_log plain words; }
      `);
      await hook(module, "preinit");
      expect(device.logged).toEqual(["warning mine: two lines", "info mine: plain words"]);
    });
  });

  describe("answers", () => {
    test("0 goes on, 75 asks to try later, anything else fails the stage", async () => {
      const module = await load(`
        for stage in preinit fetch apply validate preapply; do uciprov_hook_add $stage a; done
        a() { echo "because of $UCIPROV_STAGE" >&2; return "$(uciprov_get status)"; }
      `);
      const codeOf = async (point: HookPoint, status: string) =>
        (await fault(hook(module, point, { macros: { status } }))).code;
      await hook(module, "preinit", { macros: { status: "0" } });
      expect(await codeOf("fetch", "75")).toBe("HOOK_TRY_LATER");
      expect(await codeOf("apply", "1")).toBe("HOOK_FAILED");
      expect(await codeOf("validate", "1")).toBe("HOOK_VETO");
      expect(await codeOf("preapply", "3")).toBe("HOOK_VETO");
      const error = await fault(hook(module, "apply", { macros: { status: "2" } }));
      expect(error.message).toMatch(/mine in apply ended with status 2: because of apply/);
    });

    test("a failed function's macros do not count, nor are later functions called", async () => {
      const module = await load(`
        uciprov_hook_add preinit a
        uciprov_hook_add preinit b
        a() { uciprov_set site lab; return 1; }
        b() { touch "\${0%/lib/*}/tmp/called"; }
      `);
      const seen = hookContext("preinit");
      await fault(Promise.resolve(module.hooks?.preinit?.(seen.context)));
      expect(seen.set).toEqual({});
      expect(existsSync(join(device.root, "tmp/called"))).toBe(false);
    });

    test("in geturi it may say where the tree is, elsewhere not", async () => {
      const module = await load(`
        uciprov_hook_add geturi a
        uciprov_hook_add apply a
        a() { uciprov_uri base_uri 'https://cfg.example/{mac}/'; }
      `);
      expect((await hook(module, "geturi")).offered).toEqual(["https://cfg.example/{mac}/"]);
      const uri = "uciprov_uri base_uri https://cfg.example/\n";
      expect((await fault(load(uri))).code).toBe("HOOK_FAILED");
    });
  });

  describe("a module that misbehaves", () => {
    const alive = (pid: string): boolean =>
      existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    const noted = (name: string): string => readFileSync(join(device.root, "tmp", name), "utf8").trim();

    test("hangs: its whole process group is killed at its deadline", async () => {
      const module = await load(`
        tmp="\${0%/lib/*}/tmp"
        uciprov_deadline 1
        uciprov_hook_add apply a
        a() { sleep 300 & echo $! >"$tmp/child"; echo $$ >"$tmp/self"; trap '' TERM HUP INT; sleep 300; }
      `);
      const began = performance.now();
      expect((await fault(hook(module, "apply"))).code).toBe("HOOK_TIMEOUT");
      expect(performance.now() - began).toBeLessThan(5000);
      expect(alive(noted("child"))).toBe(false);
      expect(alive(noted("self"))).toBe(false);
    });

    test("is stopped with the run: its group is killed at once", async () => {
      const stop = new AbortController();
      const module = await load("uciprov_hook_add apply a\na() { sleep 300; }\n");
      setTimeout(() => stop.abort(), 200);
      const began = performance.now();
      expect((await fault(hook(module, "apply", { signal: stop.signal }))).code).toBe("STOPPED");
      expect(performance.now() - began).toBeLessThan(5000);
    });

    test("leaves children: they are killed when it ends, and it succeeded", async () => {
      const module = await load(`
        tmp="\${0%/lib/*}/tmp"
        uciprov_hook_add apply a
        a() { sleep 300 & echo $! >"$tmp/child"; }
      `);
      await hook(module, "apply");
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(alive(noted("child"))).toBe(false);
    });

    test("leaves a child that left the group and holds the pipes: it is not waited for", async () => {
      const module = await load(`
        tmp="\${0%/lib/*}/tmp"
        uciprov_hook_add apply a
        a() { setsid sleep 20 & sleep 0.2; }
      `);
      const began = performance.now();
      await hook(module, "apply");
      expect(performance.now() - began).toBeLessThan(5000);
    });

    test("kills its parent: that is its own shell, and the stage fails", async () => {
      const module = await load("uciprov_hook_add apply a\na() { kill -9 $PPID; sleep 1; }\n");
      expect((await fault(hook(module, "apply"))).code).toBe("HOOK_FAILED");
    });

    test("kills itself and its group: the stage fails", async () => {
      const module = await load("uciprov_hook_add apply a\na() { kill -9 0; }\n");
      expect((await fault(hook(module, "apply"))).code).toBe("HOOK_FAILED");
    });

    test("floods its output: the log stays short and it goes on", async () => {
      const module = await load(
        "uciprov_hook_add apply a\na() { yes flood | head -n 500000; uciprov_set fine yes; }\n",
      );
      expect((await hook(module, "apply")).set).toHaveProperty("fine");
      expect(device.logged.length).toBeLessThan(60);
    });

    test("hangs while it is loaded: HOOK_TIMEOUT, though nothing was asked of it", { timeout: 20_000 }, async () => {
      expect((await fault(load("sleep 300\n"))).code).toBe("HOOK_TIMEOUT");
    });
  });

  describe("its part in the plan", () => {
    const text = `
      uciprov_uri phones '{base_uri}/phones.txt'
      uciprov_uri music '{base_uri}/music.tar' large
      uciprov_hook_add plan make
      uciprov_hook_add validate look
      make() {
        uciprov_fetch phones "$UCIPROV_WORK/list" || return 0
        while read -r number name; do
          case $number in *[!0-9]*) uciprov_fault "$number is no number" ;; esac
        done <"$UCIPROV_WORK/list"
        uciprov_file /etc/phones.conf "$UCIPROV_WORK/list" 0640
        uciprov_link /etc/phones.link phones.conf
        uciprov_remove /etc/phones.old
        printf "package phones\\n\\nconfig phones 'main'\\n\\toption count '1'\\n" >"$UCIPROV_WORK/uci"
        uciprov_merge "$UCIPROV_WORK/uci"
        rm "$UCIPROV_WORK/list" "$UCIPROV_WORK/uci"
      }
      look() { uciprov_fetch phones /dev/null; }
    `;

    async function plan(
      module: Module,
      tree: Readonly<Record<string, string>>,
    ): Promise<{ changes: readonly Change[]; codes: string[] }> {
      const { context, findings } = planScene({ module: "mine", tree });
      const small = context.resources.map((one) => ({ ...one, content: { bytes: Buffer.from(tree[one.name] ?? "") } }));
      const macros = macroTable({ base_uri: "https://cfg.example/" });
      const changes = (await module.plan?.({ ...context, resources: small, macros })) ?? [];
      return { changes, codes: findings.map((finding) => `${finding.severity} ${finding.message}`) };
    }

    test("it names what is fetched for it", async () => {
      expect((await load(text)).resources).toEqual({
        phones: { uri: "{base_uri}/phones.txt", size: "small" },
        music: { uri: "{base_uri}/music.tar", size: "large" },
      });
    });

    test("it turns what came into changes, and leaves nothing behind", async () => {
      const module = await load(text);
      const { changes, codes } = await plan(module, { phones: "100 anna\n" });
      expect(codes).toEqual([]);
      expect(changes).toMatchObject([
        { kind: "file", path: "/etc/phones.conf", mode: 0o640, size: 9, origin: { module: "mine" } },
        { kind: "symlink", path: "/etc/phones.link", target: "phones.conf" },
        { kind: "remove", path: "/etc/phones.old" },
        { kind: "uci", package: "phones", layer: { mode: "merge" } },
      ]);
      expect(existsSync(join(device.root, "var/run/uciprov/module-mine"))).toBe(false);
    });

    test("it has nothing to do where nothing came", async () => {
      expect(await plan(await load(text), {})).toEqual({ changes: [], codes: [] });
    });

    test("what it finds wrong is told with the rest of the plan's faults", async () => {
      expect((await plan(await load(text), { phones: "1o0 anna\nx2 ben\n" })).codes).toEqual([
        "error 1o0 is no number",
        "error x2 is no number",
      ]);
    });

    test("a hook in fetch sees what came, before any plan is made", async () => {
      const module = await load(`
        uciprov_uri phones '{base_uri}/phones.txt'
        uciprov_hook_add fetch got
        got() { uciprov_fetch phones "$UCIPROV_WORK/p" || return 9; uciprov_set phone "$(cat "$UCIPROV_WORK/p")"; }
      `);
      const origin = { module: "mine" };
      const content = { bytes: Buffer.from("100 anna") };
      const resources = [
        { name: "phones", uri: "https://cfg.example/phones.txt", size: 8, sha256: "", origin, content },
      ];
      const seen = hookContext("fetch", { resources });
      await module.hooks?.fetch?.(seen.context);
      expect(seen.set["phone"]?.value).toBe("100 anna");
      const other = await load(
        "uciprov_uri x '{base_uri}/x'\nuciprov_hook_add fetch got\ngot() { uciprov_fetch x /dev/null; }\n",
      );
      await expect(other.hooks?.fetch?.(hookContext("fetch").context)).rejects.toMatchObject({ code: "HOOK_FAILED" });
    });

    test("later hooks see what came, too", async () => {
      const module = await load(text);
      await plan(module, { phones: "100 anna\n" });
      await hook(module, "validate");
    });

    test("owners, services and packages", async () => {
      const module = await load(`
        uciprov_hook_add plan a
        a() {
          echo x >"$UCIPROV_WORK/x"
          uciprov_file /etc/a "$UCIPROV_WORK/x" 0640 asterisk:pbx
          uciprov_file /etc/b "$UCIPROV_WORK/x" 0640 :pbx
          uciprov_service asterisk enabled
          uciprov_service asterisk started
          uciprov_service asterisk reload /etc/asterisk/ "/etc/a b"
          uciprov_package asterisk -kmod-usb2 libstdcpp6
          uciprov_reboot the radio has	"another" country
        }`);
      const { changes } = await plan(module, {});
      expect(changes).toMatchObject([
        { kind: "file", path: "/etc/a", user: "asterisk", group: "pbx" },
        { kind: "file", path: "/etc/b", group: "pbx" },
        { kind: "service", name: "asterisk", boot: "enabled" },
        { kind: "service", name: "asterisk", run: "started" },
        { kind: "service", name: "asterisk", onChange: { paths: ["/etc/asterisk/", "/etc/a b"], act: "reload" } },
        { kind: "packages", install: ["asterisk", "libstdcpp6"], remove: ["kmod-usb2"], origin: { module: "mine" } },
        { kind: "reboot", reason: "the radio has another country", origin: { module: "mine" } },
      ]);
      expect(changes[1]).not.toHaveProperty("user");
    });

    test.each([
      "uciprov_service asterisk",
      "uciprov_service asterisk restart",
      "uciprov_service asterisk enabled now",
      "uciprov_service asterisk rm -rf",
      "uciprov_file /etc/a /dev/null 0644 asterisk",
    ])("%s is told as the module's fault", async (call) => {
      const module = await load(`uciprov_hook_add plan a\na() { ${call}; }\n`);
      expect((await fault(plan(module, {}))).code).toBe("HOOK_FAILED");
    });

    test("a path that is none is refused", async () => {
      const module = await load("uciprov_hook_add plan a\na() { uciprov_remove ../etc/passwd; }\n");
      expect((await fault(plan(module, {}))).exit).toBe("invalid-content");
    });

    test("it changes nothing from a hook outside the plan", async () => {
      const module = await load("uciprov_hook_add apply a\na() { uciprov_remove /etc/x; }\n");
      expect((await fault(hook(module, "apply"))).code).toBe("HOOK_FAILED");
    });
  });
});
