/** What the commands say, and that the ones that only look change nothing. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { isCommand } from "../../src/commands/all.ts";
import { checkTaken, USAGES } from "../../src/commands/help.ts";
import { EXIT } from "../../src/errors.ts";
import { STAGES } from "../../src/stages/table.ts";
import { VERSION } from "../../src/version.ts";
import { program, provisioned, type Scene, scenario, start } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";

describe("usage", () => {
  const wrong: readonly (readonly [title: string, args: readonly string[], says: string])[] = [
    ["no command", [], "uciprov COMMAND"],
    ["a command that is none", ["fly"], "fly"],
    ["an option that is none", ["run", "--fast"], "--fast"],
    ["an option without its value", ["run", "--root"], "root"],
    ["a resolver that is none", ["resolve", "pigeon", "--root", tmpdir()], "pigeon"],
    ["a root that is not there", ["status", "--root", "/nonexistent"], "/nonexistent is no folder"],
    ["an option of another command", ["explain", "--force"], "explain takes no --force"],
    ["an option of another command on a tree", ["tree", "records", "x", "--key", "y"], "tree records takes no --key"],
    ["a word where none can stand", ["run", "dry-run", "--root", tmpdir()], 'run takes no "dry-run"'],
    ["a mistyped command", ["statsu"], "no command statsu: status perhaps"],
    ["a folder that the shell took apart", ["tree", "lint", "my", "site"], 'tree lint takes no "site": quote names'],
    [
      "a second key without its option",
      ["tree", "sign", "x", "--key", "a", "b"],
      'tree sign takes no "b": quote names',
    ],
    ["a command of tree without its folder", ["tree", "init"], "tree init DIR"],
  ];
  for (const [title, args, says] of wrong) {
    test.concurrent(`${title} is a usage error`, async () => {
      const { status, stdout, stderr } = await start(args);
      expect(status).toBe(EXIT.usage);
      expect(stdout + stderr).toContain(says);
    });
  }

  test.concurrent("each command takes the options that help tells of it, and no others", () => {
    const all = [
      ...new Set(USAGES.flatMap(({ form }) => [...form.matchAll(/--([a-z-]+)/g)].map(([, one]) => one ?? ""))),
    ];
    for (const { form } of USAGES) {
      const [name = "", act = ""] = form.split(" ");
      if (!isCommand(name)) throw new Error(`${name} is no command`);
      const forms = USAGES.filter((one) => `${one.form} `.startsWith(name === "tree" ? `tree ${act} ` : `${name} `));
      for (const option of all) {
        const check = () => checkTaken(name, name === "tree" ? [act] : [], [option]);
        if (forms.some((one) => new RegExp(`--${option}(?![a-z-])`).test(one.form))) expect(check).not.toThrow();
        else expect(check).toThrow(`takes no --${option}`);
      }
    }
    expect(() => checkTaken("keys", ["generate"], ["passphrase"])).not.toThrow();
  });

  scenario("a dry run of what knows none, and a word for an option, leave the device as it is", async (scene) => {
    await provisioned(scene);
    const before = snapshotOf(scene.root);
    for (const words of [
      ["rollback", "0", "--dry-run"],
      ["reset", "--dry-run"],
      ["reset", "transaction"],
    ]) {
      expect((await scene.run(words)).status).toBe(EXIT.usage);
      expect(snapshotOf(scene.root)).toEqual(before);
    }
  });

  test.concurrent("help lists every exit status and ends well", async () => {
    for (const words of [["help"], ["--help"], ["run", "--help"]]) {
      const { status, stdout } = await start(words);
      expect(status).toBe(0);
      for (const [name, number] of Object.entries(EXIT)) expect(stdout).toContain(`${number} ${name}`);
    }
  });

  test.concurrent("help of one command tells of it alone, and of all where that is none", async () => {
    const { stdout: all } = await start(["help"]);
    for (const words of [
      ["help", "tree", "sign"],
      ["tree", "sign", "--help"],
      ["tree", "sign", "x", "-h"],
    ]) {
      const { status, stdout } = await start(words);
      expect(status).toBe(0);
      expect(stdout).toContain("tree sign DIR --key FILE");
      expect(stdout).toContain("[--serial N]");
      expect(stdout).not.toContain("rollback");
    }
    expect((await start(["tree", "--help"])).stdout.match(/^ {2}tree /gm)).toHaveLength(8);
    expect((await start(["help", "fly"])).stdout).toBe(all);
    expect(all).toContain("--quiet ");
    expect(all).toContain("uci …");
  });

  test.concurrent("an unknown option is named, without a word on other things; --version tells the program's", async () => {
    expect((await start(["run", "--drry-run"])).stderr).toMatch(/^USAGE: Unknown option '--drry-run'\n/);
    expect(await start(["--version"])).toMatchObject({ status: 0, stdout: `uciprov ${VERSION}\n` });
  });

  test.concurrent("graph draws every stage in its order", async () => {
    const { status, stdout } = await start(["graph"]);
    expect(status).toBe(0);
    const places = STAGES.map(({ name }) => stdout.search(new RegExp(`^${name}\\b`, "m")));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });
});

describe("commands that only look", () => {
  const looking = [
    ["plan"],
    ["run", "--dry-run"],
    ["explain"],
    ["resolve"],
    ["macros"],
    ["status"],
    ["history"],
    ["graph"],
  ];
  for (const words of looking) {
    scenario(`${words.join(" ")} writes nothing, before and after the first run`, async (scene) => {
      for (const isFirst of [true, false]) {
        if (!isFirst) await provisioned(scene);
        const before = snapshotOf(scene.root);
        await provisioned(scene, words);
        expect(snapshotOf(scene.root)).toEqual(before);
      }
    });
  }

  scenario("plan tells what run then does, and who says so", async (scene) => {
    const planned = await provisioned(scene, ["plan"]);
    const done = await provisioned(scene);
    expect(planned["plan"]).toEqual(done["plan"]);
    expect(planned).toMatchObject({
      result: "planned",
      plan: { tree: { resolver: "dns", acceptedBy: "signature", signers: [scene.bed.key.fingerprint], serial: 1 } },
    });
  });

  scenario("plan for people shows each option with its file, and no secret unless asked", async (scene) => {
    const { stdout } = await plainly(scene, "plan");
    expect(stdout).toContain("attic");
    expect(stdout).toContain("default.uci");
    expect(stdout).not.toContain("correct horse battery");
    expect((await plainly(scene, "plan", "--show-secrets")).stdout).toContain("correct horse battery");
  });

  scenario("no secret of the tree stands in what run prints, logs or leaves in RAM", async (scene) => {
    const { stdout, stderr } = await scene.run();
    expect(stdout + stderr).not.toContain("correct horse battery");
    expect(scene.device("/tmp/run/uciprov/status.json")).not.toContain("correct horse battery");
  });

  scenario("a choice of modules that leaves none out is told", async (scene) => {
    scene.settings({ main: { module: ["-led", "-sysupgade", "report"] } });
    const { stderr } = await scene.run();
    expect(stderr.match(/main\.module: \S+ leaves nothing out/g)).toEqual([
      "main.module: -sysupgade leaves nothing out",
      "main.module: report leaves nothing out",
    ]);
  });

  scenario("explain tells why each answer won or lost", async (scene) => {
    scene.settings({ static: { base_uri: scene.web.uri } });
    const { json } = await scene.run(["explain"]);
    expect(json["answers"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ resolver: "static", said: "source", why: expect.stringContaining("taken") }),
        expect.objectContaining({
          resolver: "dns",
          said: "source",
          why: expect.stringContaining("static stands before it"),
        }),
      ]),
    );
  });

  scenario("explain ends as a run would, with the reason", async (scene) => {
    scene.txt("v=spf1 -all");
    expect((await scene.run(["explain"])).status).toBe(EXIT["no-uri"]);
    scene.settings({ dns: { server: ["127.0.0.1#9"], timeout: "1" } });
    const { status, stdout } = await scene.run(["explain"]);
    expect(status).toBe(EXIT["try-later"]);
    expect(stdout).toContain("DNS_FAILED");
  });

  scenario("resolve prints the URI alone, its macros expanded", async (scene) => {
    scene.goTo("https://cfg.example/{board:slug}/{mac}");
    const { stdout, status } = await plainly(scene, "resolve");
    expect(status).toBe(0);
    expect(stdout).toBe("https://cfg.example/example-router-one/02005e100001\n");
    expect((await plainly(scene, "resolve", "static")).status).toBe(EXIT["no-uri"]);
  });

  scenario("macros tells each with its source, and fd goes with the first confirmation", async (scene) => {
    const before = await provisioned(scene, ["macros"]);
    expect(before).toMatchObject({ mac: { value: "02005e100001", isTainted: false }, fd: { value: "-fd" } });
    await provisioned(scene);
    expect(await provisioned(scene, ["macros"])).toMatchObject({ fd: { value: "" }, hostname: { value: "attic" } });
  });

  scenario("status tells the last run, the confirmed tree and its owner", async (scene) => {
    expect(await provisioned(scene, ["status"])).toEqual({
      confirmed: null,
      owner: null,
      failed: null,
      transaction: null,
      run: null,
    });
    await provisioned(scene);
    expect(await provisioned(scene, ["status"])).toMatchObject({
      confirmed: { base: scene.web.uri, serial: 1, tree: "first-light" },
      owner: { kind: "keys", fingerprints: [scene.bed.key.fingerprint] },
      transaction: null,
      run: { version: 1, state: "ended", exit: "provisioned", result: "changed" },
    });
    scene.txt("nothing");
    await scene.run();
    const { run } = await provisioned(scene, ["status"]);
    expect(run).toMatchObject({ exit: "no-uri", result: "failed", error: { code: "NO_URI" } });
  });

  scenario("history lists what was confirmed, newest first, with the paths of each", async (scene) => {
    expect((await scene.run(["history"])).stdout).toBe("[]\n");
    await provisioned(scene);
    const [newest] = JSON.parse((await scene.run(["history"])).stdout) as { number: number; paths: string[] }[];
    expect(newest).toMatchObject({ number: 1, tree: { name: "first-light", serial: 1 } });
    expect(newest?.paths).toContain("/etc/config/system");
    expect((await plainly(scene, "history")).stdout).toContain("/etc/config/system");
  });

  scenario("reset forgets the owner and leaves the configuration", async (scene) => {
    await provisioned(scene);
    const before = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    const { stdout, json } = await scene.run(["reset"]);
    expect(json).toMatchObject({ exit: "provisioned", forgotten: expect.any(Array) });
    expect(stdout).toContain("owner.json");
    expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(before);
    expect(await provisioned(scene, ["status"])).toMatchObject({ owner: null });
  });

  scenario("a reader that leaves early does no harm", async (scene) => {
    const { status } = await start(["macros", "--root", scene.root, "--quiet"]);
    expect(status).toBe(0);
  });
});

function plainly(scene: Scene, ...words: string[]) {
  return start([...words, "--root", scene.root]);
}

scenario("the program changes a root through a link to it, as `npm link` makes one", async (scene) => {
  const link = join(scene.bed.folder, "uciprov");
  symlinkSync(program(), link);
  const { status, stdout } = await scene.run(["run"], { program: link });
  expect(status, stdout).toBe(0);
  expect(stdout).toContain('"result":"changed"');
});

scenario("a run that only the first boot wants says so in JSON, too", async (scene) => {
  await provisioned(scene);
  expect(await provisioned(scene, ["run", "--first-only"])).toMatchObject({ exit: "provisioned", result: "unchanged" });
});

scenario("a tree that somebody went back from is not told to have been taken back three times", async (scene) => {
  await provisioned(scene);
  await provisioned(scene, ["rollback", "0"]);
  const { stdout } = await start(["status", "--root", scene.root]);
  expect(stdout).toMatch(/^taken back this tree, which is not taken again before it changes: taken back by hand/m);
});

scenario("a secret key among the device's keys is told as that", async (scene) => {
  const { json } = await start(["keys", "generate", join(scene.bed.folder, "more"), "--json"]);
  scene.edit("/etc/uciprov/keys/x.sec", readFileSync(String(json["secret"])));
  const { status, stderr } = await scene.run();
  expect(status).toBe(0);
  expect(stderr).toContain("/etc/uciprov/keys/x.sec is left out: it is a secret key");
});

describe("hooks test", () => {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-hooks-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("a module that is not there is told as that, and by no other's words", async () => {
    const { status, stdout, stderr } = await start(["hooks", "test", join(folder, "60-phonbook.sh")]);
    expect(status).toBe(EXIT.failed);
    expect(stderr).toContain("60-phonbook.sh is not there");
    expect(stdout).toBe("");
  });

  test("a plan is a stage of a shell module, too", async () => {
    const file = join(folder, "60-nothing.sh");
    writeFileSync(file, "uciprov_hook_add plan nothing\nnothing() { :; }\n");
    const { status, stdout } = await start(["hooks", "test", file, "plan"], {
      program: join(import.meta.dirname, "../../dist/uciprov.cjs"),
    });
    expect(stdout).toContain("ok    its hook in plan");
    expect(status).toBe(0);
  });
});

test("a password that stands in a URI where none may stand is not repeated", async () => {
  const { status, stderr } = await start([
    "tree",
    "records",
    tmpdir(),
    "--base",
    "https://u:hunter2@x/y",
    "--domain",
    "a.b",
  ]);
  expect(status).toBe(EXIT.usage);
  expect(stderr).toContain("has a user or password");
  expect(stderr).not.toContain("hunter2");
});
