/**
 * Whoever answers DHCP, DNS and LLDP at once, against a device that has its owner: none of it makes the device load what the owner did not
 * sign for it, and each refusal leaves flash as it was, byte by byte.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { DEMO_NAME } from "../../src/admin/demo-bed.ts";
import { signTree } from "../../src/admin/sign-tree.ts";
import type { Commands } from "../../src/api.ts";
import { openHost } from "../../src/host/host.ts";
import { provision } from "../../src/provision.ts";
import { plugins } from "../../src/registry.ts";
import { generateKeyPair, printPublicKey, type SecretKey } from "../../src/tree/keys.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { sign } from "../../src/tree/signature.ts";
import { type BentWeb, redirect, serveBent } from "../helpers/bent-web.ts";
import { provisioned, type Refusal, refused, type Scene, type SettingsText, scenario } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";

const ROOT_KIT = "package system\n\nconfig system\n\toption hostname 'mine-now'\n";
const UNTOUCHED = { exit: "trust-refused", says: [] } as const;

/** What the attacker holds: a copy of the owner's published tree, a server of its own, and every answer of the network. */
interface Attacker {
  readonly tree: string;
  readonly web: BentWeb;
  readonly key: SecretKey;
  put(name: string, content: string): void;
  publish(label: { readonly tree?: string; readonly serial: number }, keys?: readonly SecretKey[]): void;
  /** DNS, DHCPv4 and DHCPv6 all say so. */
  says(uri: string, macros?: Readonly<Record<string, string>>): void;
}

describe("an owned device, and an attacker with DNS and DHCP", () => {
  attack("the owner's own tree, mirrored with a lower serial", async (scene, attacker) => {
    attacker.publish({ serial: 4 }, [scene.bed.key]);
    await isRefused(scene, { ...UNTOUCHED, code: "SERIAL_LOWER", says: ["serial 4", "known 5"] });
  });

  attack("the owner's tree with the same serial and another content", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    attacker.publish({ serial: 5 }, [scene.bed.key]);
    await isRefused(scene, { ...UNTOUCHED, code: "SERIAL_REUSED" });
  });

  attack("a tree of its own, signed by a key of its own", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    attacker.publish({ serial: 99 });
    await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["signer-not-the-owner"] });
  });

  attack("a file changed below the owner's own manifest", async (scene, attacker) => {
    // Of the size that the manifest says: only the digest tells.
    attacker.put("default.uci", ROOT_KIT.replaceAll(/[^\n]/g, "#"));
    attacker.publish({ serial: 6 }, [scene.bed.key]);
    attacker.put("default.uci", ROOT_KIT);
    await isRefused(scene, { ...UNTOUCHED, code: "DIGEST_MISMATCH", says: ["default.uci", "SHA-256"] });
  });

  attack("a tree of its own over TLS that the device believes, under every policy", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    rmSync(join(attacker.tree, "MANIFEST.sig"));
    const identity = scene.bed.authority.issue({ names: ["127.0.0.1"] });
    const own = await serveBent(attacker.tree, identity);
    try {
      attacker.says(own.uri);
      for (const trust of ["authentic", "signed", "any"]) {
        scene.settings({ main: { trust } });
        await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURE_MISSING", says: ["not-signed-by-owner"] });
      }
      rmSync(join(attacker.tree, "MANIFEST"));
      await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURE_MISSING" });
    } finally {
      await own.close();
    }
  });

  attack("another tree that the owner has signed for other devices", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    attacker.publish({ tree: "laboratory", serial: 99 }, [scene.bed.key]);
    await isRefused(scene, {
      ...UNTOUCHED,
      code: "NOT_THE_OWNER",
      says: ["another-tree", "laboratory", "first-light"],
    });
    attacker.publish({ tree: "", serial: 99 }, [scene.bed.key]);
    await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["another-tree"] });
  });

  for (const macro of ["dhcp_hostname", "dhcp_domain", "txt_site"]) {
    attack(`another device's signed layer, chosen by {${macro}}`, async (scene, attacker) => {
      scene.settings({ "resource:site": { module: "uci", uri: `{base_uri}/{${macro}}.uci` } });
      attacker.put("gateway.uci", ROOT_KIT);
      attacker.publish({ serial: 6 }, [scene.bed.key]);
      // DHCP has its turn only where DNS says nothing.
      attacker.says(attacker.web.uri, macro.startsWith("txt_") ? { site: "gateway" } : { dhcp: "gateway" });
      await isRefused(scene, { ...UNTOUCHED, code: "UNTRUSTED", says: ["resource-tainted", "gateway.uci"] });
    });
  }

  attack("another device's signed layer, by giving this one its name", async (scene, attacker) => {
    attacker.put("gateway.uci", ROOT_KIT);
    attacker.publish({ serial: 6 }, [scene.bed.key]);
    attacker.says(attacker.web.uri, { hostname: "gateway", mac: "02005e100099", board: "gateway", dhcp: "gateway" });
    await provisioned(scene);
    expect(attacker.web.asked.map(({ name }) => name)).not.toContain("gateway.uci");
    expect(scene.device("/etc/config/system")).not.toContain("mine-now");
  });

  for (const name of ["../evil", "x/../../evil", "x\\..\\y"]) {
    attack(`a way out of the tree by the value ${name} of a macro`, async (scene, attacker) => {
      answersAnything(scene, attacker, name);
      await isRefused(scene, { ...UNTOUCHED, code: "UNTRUSTED", says: ["resource-tainted"] });
    });
  }

  for (const name of ["..%2fevil", "a%2fb", "x?y", "x#y", "%2e%2e"]) {
    attack(`a file that the owner never listed, by the value ${name} of a macro`, async (scene, attacker) => {
      answersAnything(scene, attacker, name);
      await provisioned(scene, ["run", "--force"]);
      expect(attacker.web.asked.filter((one) => one.name.includes("sites"))).toEqual([]);
      expect(scene.device("/etc/config/system")).not.toContain("mine-now");
    });
  }

  attack("its own files behind a question mark, under the owner's manifest", async (scene, attacker) => {
    attacker.publish({ serial: 6 }, [scene.bed.key]);
    for (const suffix of ["?file=", "?"]) {
      attacker.says(`${attacker.web.uri}${suffix}`);
      await isRefused(scene, { code: "URI_INVALID", exit: "invalid-content", says: ["query"] });
    }
  });

  attack("http instead of https: only what the owner signed is taken over it", async (scene, attacker) => {
    const plain = await serveBent(attacker.tree);
    try {
      attacker.put("default.uci", ROOT_KIT);
      rmSync(join(attacker.tree, "MANIFEST.sig"));
      attacker.says(plain.uri);
      await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURE_MISSING" });
      attacker.publish({ serial: 99 });
      await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER" });
    } finally {
      await plain.close();
    }
  });

  attack("redirects to itself, of the manifest, of its signature and of one file", async (scene, attacker) => {
    const plain = await serveBent(scene.tree);
    try {
      scene.publish({ serial: 6 });
      attacker.put("default.uci", ROOT_KIT);
      attacker.publish({ serial: 99 });
      attacker.says(plain.uri);
      for (const [names, code] of [
        [["MANIFEST", "MANIFEST.sig"], "NOT_THE_OWNER"],
        [["MANIFEST"], "SIGNATURE_WRONG"],
        [["MANIFEST.sig"], "NOT_THE_OWNER"],
        [["default.uci"], "DIGEST_MISMATCH"],
      ] as const) {
        plain.straighten();
        for (const name of names) plain.bend(name, redirect(`${attacker.web.uri}/${name}`));
        await isRefused(scene, { ...UNTOUCHED, code });
      }
    } finally {
      await plain.close();
    }
  });

  attack("a redirect of the owner's https server to http", async (scene, attacker) => {
    scene.settings({ static: { base_uri: scene.web.uri } });
    scene.web.bend("MANIFEST", redirect(`${attacker.web.uri}/MANIFEST`));
    await isRefused(scene, { ...UNTOUCHED, code: "REDIRECT_INSECURE" });
  });

  attack("silence of DNS, so that DHCP is asked: the same refusals, by DHCP alone", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    attacker.publish({ serial: 99 });
    scene.bed.names.publish(DEMO_NAME, []);
    await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["named by dhcp", attacker.web.uri] });
  });

  attack("all three at once, LLDP first", async (scene, attacker) => {
    attacker.put("default.uci", ROOT_KIT);
    attacker.publish({ serial: 99 });
    scene.settings({ main: { resolver: ["lldp", "dns", "dhcp"] }, lldp: { interface: ["wan"] } });
    const before = snapshotOf(scene.root);
    const host = openHost(scene.root, {
      choices: { isForced: true, isDry: false },
      board: { stageBegins: () => undefined, stageEnds: () => undefined },
      log: () => undefined,
      signal: AbortSignal.timeout(30_000),
    });
    // Below a scratch root there are no programs, so lldpd's answer is given by hand and the run is made in this process.
    const run = provision({ ...host, commands: { ...host.commands, ...neighbourSays(attacker.web.uri) } }, plugins);
    await expect(run).rejects.toMatchObject({
      code: "NOT_THE_OWNER",
      message: expect.stringContaining("named by lldp"),
    });
    expect(snapshotOf(scene.root)).toEqual(before);
  });
});

describe("an attacker who wants its key on the device", () => {
  attack("adds it by a manifest that it signs itself", async (scene, attacker) => {
    signWithKeys(attacker, 99, [{ act: "add", key: attacker.key }], [attacker.key]);
    await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER" });
  });

  attack("takes the owner's signature over another manifest along", async (scene, attacker) => {
    const signature = readFileSync(join(attacker.tree, "MANIFEST.sig"), "utf8");
    signWithKeys(attacker, 99, [{ act: "add", key: attacker.key }], [attacker.key]);
    attacker.put("MANIFEST.sig", `${signature}${readFileSync(join(attacker.tree, "MANIFEST.sig"), "utf8")}`);
    await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURE_WRONG" });
  });

  scenario(
    "has one of the two keys that must sign: its own, and the same twice, do not make up for the other",
    async (scene) => {
      const second = generateKeyPair();
      scene.edit(`/etc/uciprov/keys/${second.publicKey.fingerprint}`, printPublicKey(second.publicKey));
      scene.settings({ main: { threshold: "2" } });
      scene.publish({ serial: 5 }, [scene.bed.key, second.secretKey]);
      await provisioned(scene);
      await withAttacker(scene, async (attacker) => {
        const stolen = second.secretKey;
        for (const signers of [[stolen], [stolen, stolen], [stolen, attacker.key]]) {
          signWithKeys(attacker, 99, [{ act: "add", key: attacker.key }], signers);
          await isRefused(
            scene,
            { ...UNTOUCHED, code: "SIGNATURES_TOO_FEW", says: ["1 of 2"] },
            { main: { threshold: "2" } },
          );
        }
        // Settings that ask for one do not open what the owner closed with two.
        await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURES_TOO_FEW" }, { main: { threshold: "1" } });
      });
    },
  );
});

describe("a device that an origin owns", () => {
  scenario("is not led away by DNS, DHCP or a redirect, even to TLS that it believes", async (scene) => {
    rmSync(join(scene.tree, "MANIFEST.sig"));
    const own = { static: { base_uri: scene.web.uri } };
    scene.settings(own);
    await provisioned(scene);
    await withAttacker(scene, async (attacker) => {
      attacker.put("default.uci", ROOT_KIT);
      attacker.publish({ serial: 9 });
      rmSync(join(attacker.tree, "MANIFEST.sig"));
      await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["source-not-ours"] }, {});
      const believed = await serveBent(attacker.tree, scene.bed.authority.issue({ names: ["127.0.0.1"] }));
      try {
        attacker.says(believed.uri);
        await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["source-not-ours"] });
        scene.web.bend("MANIFEST", redirect(`${believed.uri}/MANIFEST`));
        await isRefused(scene, { ...UNTOUCHED, code: "NOT_THE_OWNER", says: ["other-origin"] }, own);
        scene.web.bend("MANIFEST", redirect(`${attacker.web.uri}/MANIFEST`));
        await isRefused(scene, { ...UNTOUCHED, code: "REDIRECT_INSECURE" }, own);
      } finally {
        await believed.close();
      }
    });
  });
});

describe("before anybody owns the device", () => {
  scenario("what DNS and DHCP name over http is refused if nobody signed it, and leaves no owner", async (scene) => {
    await withAttacker(scene, async (attacker) => {
      rmSync(join(attacker.tree, "MANIFEST.sig"));
      await isRefused(scene, { ...UNTOUCHED, code: "UNTRUSTED", says: ["source-not-ours", "named by dns"] });
      scene.bed.names.publish(DEMO_NAME, []);
      await isRefused(scene, { ...UNTOUCHED, code: "UNTRUSTED", says: ["source-not-ours", "named by dhcp"] });
      attacker.publish({ serial: 99 });
      await isRefused(scene, { ...UNTOUCHED, code: "SIGNATURE_WRONG", says: ["signer-unknown"] });
    });
    expect(scene.device("/etc/uciprov/state/owner.json")).toBeUndefined();
  });
});

/** A device that keys own at serial 5 of `first-light`; then the network is the attacker's. */
function attack(title: string, act: (scene: Scene, attacker: Attacker) => Promise<void>): void {
  scenario(title, async (scene) => {
    scene.publish({ serial: 5 });
    await provisioned(scene);
    await withAttacker(scene, (attacker) => act(scene, attacker));
  });
}

async function withAttacker(scene: Scene, act: (attacker: Attacker) => Promise<void>): Promise<void> {
  const tree = mkdtempSync(join(tmpdir(), "uciprov-attacker-"));
  cpSync(scene.tree, tree, { recursive: true });
  const web = await serveBent(tree);
  const key = generateKeyPair().secretKey;
  const attacker: Attacker = {
    tree,
    web,
    key,
    put: (name, content) => writeFileSync(join(tree, name), content),
    publish: (label, keys = [key]) => void signTree(tree, { tree: "first-light", ...label }, keys),
    says(uri, { dhcp, ...macros } = {}) {
      scene.txt(`provuri=${uri}`, ...Object.entries(macros).map(([name, value]) => `${name}=${value}`));
      if (dhcp !== undefined) scene.bed.names.publish(DEMO_NAME, []);
      lease(scene, "wan.v4", { opt224: hex(uri), hostname: dhcp ?? "", domain: dhcp ?? "" });
      lease(scene, "wan6.v6", { OPTION_59: hex(uri) });
    },
  };
  attacker.says(web.uri);
  try {
    await act(attacker);
  } finally {
    await web.close();
    rmSync(tree, { recursive: true, force: true });
  }
}

/** As the drop-ins of udhcpc and odhcp6c write it: NAME=VALUE, ended by NUL. */
function lease(scene: Scene, name: string, variables: Readonly<Record<string, string>>): void {
  const text = Object.entries(variables).map(([variable, value]) => `${variable}=${value}\0`);
  const folder = join(scene.root, "tmp/run/uciprov/dhcp");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text.join(""));
}

const hex = (text: string) => Buffer.from(text).toString("hex");

/** Both ways of running it: as a check whether anything is new, and from scratch. */
async function isRefused(scene: Scene, refusal: Refusal, settings?: SettingsText): Promise<void> {
  if (settings !== undefined) scene.settings(settings);
  await refused(scene, refusal);
  await refused(scene, refusal, ["run", "--force"]);
}

/** Under the owner's manifest, whatever it does not list is the attacker's; a resource's name is the network's to say. */
function answersAnything(scene: Scene, { tree, web, says }: Attacker, site: string): void {
  scene.settings({ "resource:site": { module: "uci", uri: "{base_uri}/sites/{txt_site}.uci" } });
  web.bend("*", (request, response) => {
    const file = join(tree, decodeURIComponent((request.url ?? "").replace("/tree/", "")));
    const isListed = !file.includes("sites") && existsSync(file);
    if (file.endsWith(".uci.sig")) response.writeHead(404).end();
    else response.end(isListed ? readFileSync(file) : ROOT_KIT);
  });
  says(web.uri, { site });
}

/** The attacker's manifest with `# key` lines. */
function signWithKeys(
  attacker: Attacker,
  serial: number,
  keys: readonly { readonly act: "add" | "remove"; readonly key: SecretKey }[],
  signers: readonly SecretKey[],
): void {
  attacker.put("default.uci", ROOT_KIT);
  mkdirSync(join(attacker.tree, "keys"), { recursive: true });
  for (const { key } of keys) attacker.put(`keys/${key.fingerprint}`, printPublicKey(key));
  attacker.publish({ serial });
  const content = parseManifest(readFileSync(join(attacker.tree, "MANIFEST")), { file: "MANIFEST" });
  const bytes = printManifest({
    ...content,
    keys: keys.map(({ act, key }) => ({ act, fingerprint: key.fingerprint })),
  });
  writeFileSync(join(attacker.tree, "MANIFEST"), bytes);
  attacker.put("MANIFEST.sig", signers.map((key) => sign(bytes, key)).join(""));
}

/** `lldpcli -f json0` of a neighbour on wan whose system description names the URI. */
function neighbourSays(uri: string): Commands {
  const chassis = { name: [{ value: "switch" }], descr: [{ value: `switch provuri=${uri}` }] };
  const neighbour = { name: "wan", via: "LLDP", chassis: [chassis], port: [{ id: [{ value: "1" }] }] };
  const stdout = JSON.stringify({ lldp: [{ interface: [neighbour] }] });
  return {
    has: (name) => name === "lldpcli",
    run: async () => ({ status: 0, signal: null, stdout, stderr: "", timedOut: false }),
  };
}
