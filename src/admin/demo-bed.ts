import { chmodSync, cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { generateKeyPair, printPublicKey, type SecretKey } from "../tree/keys.ts";
import { fromText } from "../uci/bytes.ts";
import { makeSection, type UciPackage } from "../uci/model.ts";
import { printConfig } from "../uci/print.ts";
import { type Authority, makeAuthority } from "./certificates.ts";
import { type NameServer, serveNames } from "./name-server.ts";
import { signTree, type TreeLabel } from "./sign-tree.ts";
import { serveTree, type TreeServer } from "./tree-server.ts";

/** Everything one device needs to be provisioned, on loopback and in one temporary folder: for the demo and for scenario tests. */
export interface DemoBed {
  readonly folder: string;
  /** The device's root. */
  readonly root: string;
  /** The folder that is served; change it, then `publish` again. */
  readonly tree: string;
  readonly uri: string;
  readonly key: SecretKey;
  readonly authority: Authority;
  readonly names: NameServer;
  readonly web: TreeServer;
  /** Signs the tree as it is now. */
  publish(label?: Partial<TreeLabel>): void;
  close(): Promise<void>;
}

export const DEMO_NAME = "_uciprov.fleet.example";
const TREE_NAME = "first-light";

/** Copies a fixture device and a fixture tree, makes keys and a CA, starts the servers, and tells the device where its name server is. */
export async function makeDemoBed(fixtures: string): Promise<DemoBed> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-demo-"));
  const [root, tree] = [join(folder, "root"), join(folder, "tree")];
  cpSync(join(fixtures, "devices/factory"), root, { recursive: true, verbatimSymlinks: true });
  // Git keeps no modes but the executable bit; dropbear would not read a file that others can.
  chmodSync(join(root, "etc/dropbear/authorized_keys"), 0o600);
  const source = join(fixtures, "trees", TREE_NAME);
  cpSync(join(source, "files"), tree, { recursive: true });
  await packOverlay(join(source, "overlay"), join(tree, "overlay.tar.gz"));

  const { publicKey, secretKey } = generateKeyPair();
  const authority = makeAuthority("uciprov demo CA");
  const identity = authority.issue({ names: ["localhost", "127.0.0.1"] });
  const names = await serveNames();
  const web = await serveTree(folder, identity);
  const uri = `https://127.0.0.1:${web.port}/tree`;
  names.publish(DEMO_NAME, [[`provuri=${uri}`]]);

  mkdirSync(join(root, "etc/uciprov/keys"), { recursive: true });
  writeFileSync(join(root, "etc/uciprov/keys", publicKey.fingerprint), printPublicKey(publicKey));
  writeFileSync(join(root, "etc/uciprov/ca.pem"), authority.cert);
  writeFileSync(join(root, "etc/config/uciprov"), printConfig(settingsFor(names.port)));

  const bed: DemoBed = {
    folder,
    root,
    tree,
    uri,
    key: secretKey,
    authority,
    names,
    web,
    publish: (label) => void signTree(tree, { tree: TREE_NAME, serial: 1, ...label }, [secretKey]),
    close: async () => {
      await Promise.all([names.close(), web.close()]);
    },
  };
  bed.publish();
  return bed;
}

/** Packs a folder as an admin would. */
export async function packOverlay(folder: string, file: string): Promise<void> {
  await create({ cwd: folder, file, gzip: true, portable: true, mtime: new Date(0) }, ["."]);
}

function settingsFor(port: number): UciPackage {
  return {
    name: fromText("uciprov"),
    sections: [
      makeSection("uciprov", "main", { ca: ["/etc/uciprov/ca.pem"], tries: "1" }),
      makeSection("uciprov", "dns", { name: DEMO_NAME, server: [`127.0.0.1#${port}`], timeout: "3" }),
    ],
  };
}
