import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readMarked } from "../../hooks/_marked-block.ts";
import { parseAuthorizedKey } from "../../hooks/_ssh-key.ts";
import sshkeys from "../../hooks/sshkeys.ts";
import type { Finding } from "../../src/api.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene, type Scene } from "../helpers/plan-context.ts";
import { KEYS, keyLine, wire } from "../helpers/ssh-keys.ts";

const DROPBEAR = { "/usr/sbin/dropbear": "binary" };
const FILE = "/etc/dropbear/authorized_keys";
const BEGIN = "# uciprov begin: replaced at every change, write your own lines outside\n";
const END = "# uciprov end\n";

keepsModuleContract(
  sshkeys,
  () => planScene({ module: "sshkeys", device: DROPBEAR }),
  () => planScene({ module: "sshkeys", device: DROPBEAR, tree: { authorized_keys: KEYS.anna } }),
);

interface Planned {
  /** Text of each file that changes, as Latin-1. */
  readonly files: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

async function plan(
  tree: string | undefined,
  device: Readonly<Record<string, string>>,
  more: Partial<Scene> = {},
): Promise<Planned> {
  const resources = tree === undefined ? {} : { authorized_keys: tree };
  const { context, findings } = planScene({ module: "sshkeys", tree: resources, device, ...more });
  const files: Record<string, string> = {};
  for (const change of (await sshkeys.plan?.(context)) ?? []) {
    if (change.kind !== "file" || change.content.kind !== "bytes") throw new Error(`unexpected ${change.kind}`);
    expect(change).toMatchObject({ mode: 0o600, shared: true });
    files[change.path] = Buffer.from(change.content.bytes).toString("latin1");
  }
  return { files, findings };
}

describe("where the keys go", () => {
  test("to dropbear's own file, to OpenSSH's, or to both, by what is installed", async () => {
    const both = { ...DROPBEAR, "/usr/sbin/sshd": "binary" };
    const ssh = "/root/.ssh/authorized_keys";
    expect(Object.keys((await plan(KEYS.anna, DROPBEAR)).files)).toEqual([FILE]);
    expect(Object.keys((await plan(KEYS.anna, { "/etc/config/dropbear": "" })).files)).toEqual([FILE]);
    expect(Object.keys((await plan(KEYS.anna, { "/usr/sbin/sshd": "binary" })).files)).toEqual([ssh]);
    expect(Object.keys((await plan(KEYS.anna, both)).files)).toEqual([FILE, ssh]);
  });

  test("without any server there is a warning and no file", async () => {
    const { files, findings } = await plan(KEYS.anna, {});
    expect(files).toEqual({});
    expect(findings).toMatchObject([{ severity: "warning" }]);
  });
});

describe("the block", () => {
  test("stands behind other people's lines, which stay byte for byte", async () => {
    const theirs = `# caf\u00e9, not UTF-8\r\n\n  ${KEYS.ben}\nno key at all`;
    const { files } = await plan(`# the team\n${KEYS.anna}\n`, { ...DROPBEAR, [FILE]: theirs });
    expect(files[FILE]).toBe(`${theirs}\n${BEGIN}${KEYS.anna}\n${END}`);
  });

  test("is replaced where it stands", async () => {
    const there = `before\n${BEGIN}${KEYS.ben}\n${END}after\n`;
    const { files } = await plan(KEYS.anna, { ...DROPBEAR, [FILE]: there });
    expect(files[FILE]).toBe(`before\n${BEGIN}${KEYS.anna}\n${END}after\n`);
  });

  test("a second run gives the same file", async () => {
    const first = await plan(`${KEYS.anna}\n${KEYS.rsa}`, { ...DROPBEAR, [FILE]: "theirs" });
    const second = await plan(`${KEYS.anna}\n${KEYS.rsa}`, { ...DROPBEAR, [FILE]: first.files[FILE] ?? "" });
    expect(second).toEqual(first);
  });

  test("whose end is gone is left alone, and told", async () => {
    const there = `${BEGIN}${KEYS.ben}\nsomebody's line\n`;
    const { files, findings } = await plan(KEYS.anna, { ...DROPBEAR, [FILE]: there });
    expect(files[FILE]).toBe(`${there}${BEGIN}${KEYS.anna}\n${END}`);
    expect(findings).toMatchObject([{ severity: "warning", code: "KEYS_INVALID" }]);
    const again = await plan(KEYS.anna, { ...DROPBEAR, [FILE]: files[FILE] ?? "" });
    expect(again.files).toEqual(files);
  });

  test("in whatever file: others' bytes stay, ours are found again, and a second time changes nothing", () => {
    const line = fc.oneof(
      fc.constantFrom(BEGIN.trimEnd(), END.trimEnd(), KEYS.ben, "", "\r"),
      fc.string({ maxLength: 8 }),
    );
    const text = fc
      .tuple(fc.array(line), fc.boolean())
      .map(([lines, isEnded]) => lines.join("\n") + (isEnded ? "\n" : ""));
    fc.assert(
      fc.property(
        text,
        fc.array(fc.constantFrom(KEYS.anna, KEYS.rsa), { minLength: 1, maxLength: 3 }),
        (before, ours) => {
          const marked = readMarked(Buffer.from(before));
          const after = readMarked(marked.withLines(ours));
          expect(after.lines).toEqual(ours);
          const plain = (lines: readonly string[]) =>
            lines.map((one) => one.replace(/\r$/, "")).filter((one) => one !== "");
          expect(plain(after.others)).toEqual(plain(marked.others));
          expect(after.withLines(ours)).toEqual(marked.withLines(ours));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("bytes of any kind outside it pass unchanged", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { withLines } = readMarked(bytes);
        expect(Buffer.from(withLines([KEYS.anna])).subarray(0, bytes.length)).toEqual(Buffer.from(bytes));
      }),
    );
  });
});

describe("what the tree no longer says goes, but never the last way in", () => {
  const block = `${BEGIN}${KEYS.anna}\n${END}`;
  const noPassword = { uci: { dropbear: "config dropbear 'main'\n\toption PasswordAuth 'off'\n" } };
  const password = {
    uci: { dropbear: "config dropbear 'main'\n\toption PasswordAuth 'on'\n\toption RootPasswordAuth 'on'\n" },
  };

  test.each([undefined, "", "# nobody\n"])("with %j the block goes while somebody else has a key", async (tree) => {
    const { files, findings } = await plan(tree, { ...DROPBEAR, [FILE]: `${KEYS.ben}\n${block}` }, noPassword);
    expect(files).toEqual({ [FILE]: `${KEYS.ben}\n` });
    expect(findings).toEqual([]);
  });

  test.each([undefined, ""])("with %j the block goes while root may use a password", async (tree) => {
    const { files, findings } = await plan(tree, { ...DROPBEAR, [FILE]: block }, password);
    expect(files).toEqual({ [FILE]: "" });
    expect(findings).toEqual([]);
  });

  test("an empty list that would lock everybody out is refused", async () => {
    const { files, findings } = await plan("", { ...DROPBEAR, [FILE]: block }, noPassword);
    expect(files).toEqual({});
    expect(findings).toMatchObject([{ severity: "error", code: "KEYS_INVALID" }]);
  });

  test("a missing list leaves the last keys, with a warning", async () => {
    const { files, findings } = await plan(undefined, { ...DROPBEAR, [FILE]: block }, noPassword);
    expect(files).toEqual({});
    expect(findings).toMatchObject([{ severity: "warning", code: "KEYS_INVALID" }]);
  });

  test("OpenSSH takes no password for root, so its last key counts", async () => {
    const device = { "/usr/sbin/sshd": "binary", "/root/.ssh/authorized_keys": block };
    expect((await plan("", device, password)).findings).toMatchObject([{ severity: "error" }]);
  });

  test("where no key of ours ever was, an empty list is nothing", async () => {
    expect(await plan("", { ...DROPBEAR, [FILE]: "theirs\n" }, noPassword)).toEqual({ files: {}, findings: [] });
  });
});

describe("lines", () => {
  test.each(Object.entries(KEYS))("a key as ssh-keygen writes it is taken: %s", (_, line) => {
    expect(parseAuthorizedKey(line)).toMatchObject({ line, options: [] });
  });

  test("FIDO keys are taken", () => {
    const ed = keyLine("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", Buffer.alloc(32, 1), "ssh:");
    const point = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]);
    const type = "sk-ecdsa-sha2-nistp256@openssh.com";
    expect(typeof parseAuthorizedKey(ed)).toBe("object");
    expect(typeof parseAuthorizedKey(keyLine(type, type, "nistp256", point, "ssh:"))).toBe("object");
  });

  test("options are taken, and dropbear's ignorance of one is told", async () => {
    const line = `from="10.0.0.0/8,!10.0.0.1",command="echo \\"hi, you\\"",no-pty ${KEYS.anna}`;
    expect(parseAuthorizedKey(line)).toMatchObject({ options: ["from", "command", "no-pty"] });
    const { files, findings } = await plan(line, DROPBEAR);
    expect(files[FILE]).toContain(line);
    expect(findings).toMatchObject([{ severity: "warning", message: expect.stringContaining('"from"') }]);
  });

  const [type = "", base64 = ""] = KEYS.anna.split(" ");
  const blob = Buffer.from(base64, "base64");
  const modulus = Buffer.concat([Buffer.from([0]), Buffer.alloc(256, 0xff)]);
  test.each<[string, string]>([
    ["no key", "hello world"],
    ["a type alone", "ssh-ed25519"],
    ["a type and a comment", "ssh-ed25519 anna@laptop"],
    ["base64 with a wrong letter", `${type} ${base64.slice(0, -1)}!`],
    ["base64 without its end", `${type} ${base64.slice(0, -6)}`],
    ["base64 with bits over", `ssh-ed25519 ${base64.slice(0, -1)}Z=`],
    ["another type inside", `ssh-rsa ${base64}`],
    ["no type inside", `ssh-ed25519 ${wire("x").toString("base64")}`],
    ["bytes behind the key", `ssh-ed25519 ${Buffer.concat([blob, Buffer.from([0])]).toString("base64")}`],
    ["one string too many", keyLine("ssh-ed25519", "ssh-ed25519", Buffer.alloc(32), "x")],
    ["31 bytes of Ed25519", keyLine("ssh-ed25519", "ssh-ed25519", Buffer.alloc(31))],
    ["a length beyond the end", `ssh-ed25519 ${Buffer.from([0xff, 0xff, 0xff, 0xff, 1]).toString("base64")}`],
    ["RSA of 512 bits", keyLine("ssh-rsa", "ssh-rsa", Buffer.from([3]), Buffer.alloc(64, 0x7f))],
    ["RSA with a negative modulus", keyLine("ssh-rsa", "ssh-rsa", Buffer.from([3]), Buffer.alloc(256, 0xff))],
    ["RSA with the exponent 1", keyLine("ssh-rsa", "ssh-rsa", Buffer.from([1]), modulus)],
    ["RSA of 20,000 bits", keyLine("ssh-rsa", "ssh-rsa", Buffer.from([3]), Buffer.alloc(2500, 0x7f))],
    ["ECDSA of another curve", keyLine("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "nistp384", Buffer.alloc(65, 4))],
    [
      "ECDSA with a packed point",
      keyLine("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "nistp256", Buffer.alloc(33, 2)),
    ],
    ["DSA", keyLine("ssh-dss", "ssh-dss", "p", "q", "g", "y")],
    ["a certificate", keyLine("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519-cert-v01@openssh.com")],
    ["a property of objects as type", `constructor ${base64}`],
    ["an unclosed quote", `command="x ${KEYS.anna}`],
    ["an option without a key", "no-pty"],
    ["a space inside options", `no-pty, restrict ${KEYS.anna}`],
    ["a control character", `${KEYS.anna}\u0007`],
    ["4,300 bytes", `${KEYS.anna} ${"c".repeat(4300)}`],
    ["a private key's first line", "-----BEGIN OPENSSH PRIVATE KEY-----"],
    ["a web page", "<!DOCTYPE html>"],
  ])("%s is a finding with its line, and nothing of it is written", async (_, line) => {
    const { findings } = await plan(`# one\n\n${line}\n`, DROPBEAR);
    expect(findings).toMatchObject([
      { severity: "error", code: "KEYS_INVALID", place: { file: "https://cfg.example/authorized_keys", line: 3 } },
    ]);
    expect(typeof parseAuthorizedKey(line)).toBe("string");
  });

  test("all bad lines are told at once", async () => {
    expect((await plan("bad\nworse\nworst", DROPBEAR)).findings).toHaveLength(3);
  });

  test("a key that is there twice is written once, and Windows line ends are no part of it", async () => {
    const { files } = await plan(`${KEYS.anna}\r\n${KEYS.anna} again\r\n`, DROPBEAR);
    expect(files[FILE]).toBe(`${BEGIN}${KEYS.anna} again\n${END}`);
  });

  test("more than 1000 keys are refused", async () => {
    const many = Array.from({ length: 1001 }, (_, at) =>
      keyLine("ssh-ed25519", "ssh-ed25519", Buffer.alloc(32, `${at}-`)),
    );
    expect((await plan(many.join("\n"), DROPBEAR)).findings).toMatchObject([{ severity: "error" }]);
  });

  test("whatever the line, the answer is a key or a sentence", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String().map((text) => `ssh-ed25519 ${text}`),
        ),
        (line) => {
          const key = parseAuthorizedKey(line);
          if (typeof key === "object") expect(key.line).toBe(line);
          else expect(key).not.toBe("");
        },
      ),
    );
  });
});
