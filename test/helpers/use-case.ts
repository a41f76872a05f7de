/** The trees of `fixtures/trees`, one a use case, on the devices of `fixtures/devices` that they are for. */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Scene } from "./scenario.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures");
const PACKAGE = join(import.meta.dirname, "../../openwrt-package/files");
/** Writes what the devices then have, for somebody to read before it is committed. */
const IS_WRITING = process.env["UPDATE_FIXTURES"] === "1";

export interface UseCase {
  readonly tree: string;
  /** The folder of the device. */
  readonly device: string;
  /** What a folder of fixtures cannot hold, since it is made anew each time: path below `files` → text. */
  readonly more?: (scene: Scene) => Readonly<Record<string, string>>;
  /** What its plan must name, and files that hold secrets, with the mode they must have. */
  readonly planned: readonly string[];
  readonly secrets: readonly (readonly [path: string, mode: string])[];
  /** All that the plan finds to say. */
  readonly told: readonly string[];
}

/** By a certificate of its own the device shows who it is: to RADIUS servers, to a collector. */
function ownCertificate({ bed }: Scene): Readonly<Record<string, string>> {
  const { cert, key } = bed.authority.issue({ names: ["device.university.example"], isClient: true });
  return { "certs/ca.pem": bed.authority.cert, "certs/02005e100001.pem": `${cert}${key}` };
}

export const USE_CASES: readonly UseCase[] = [
  {
    tree: "eduroam",
    device: "access-point",
    more: ownCertificate,
    planned: ["/etc/ssl/client.crt", "wireless", "radsecproxy", "/etc/zabbix_agentd.conf.d/beesip.conf"],
    secrets: [
      ["etc/ssl/private/client.key", "600"],
      ["etc/beesip/zabbix.psk", "640"],
    ],
    told: [],
  },
  {
    tree: "honeypot",
    device: "honeypot",
    planned: ["/etc/kamailio/kamailio.cfg", "/etc/beesip/guard.json", "/etc/zabbix_agentd.conf.d/beesip.conf", "snort"],
    secrets: [
      ["etc/beesip/zabbix.psk", "640"],
      ["etc/beesip/guard.json", "600"],
    ],
    told: [],
  },
  {
    tree: "speech-probe",
    device: "probe",
    more: ownCertificate,
    planned: ["/etc/beesip/probe.json", "/etc/asterisk/pjsip.conf", "/etc/ssl/client.crt"],
    secrets: [
      ["etc/beesip/probe.json", "600"],
      ["etc/ssl/private/client.key", "600"],
    ],
    told: [],
  },
  {
    tree: "network-probe",
    device: "probe",
    more: ownCertificate,
    planned: ["/etc/beesip/probe.json", "/etc/zabbix_agentd.conf.d/beesip.conf"],
    secrets: [
      ["etc/beesip/probe.json", "600"],
      ["etc/beesip/zabbix.psk", "640"],
    ],
    told: [],
  },
  {
    tree: "pbx",
    device: "exchange",
    planned: ["/etc/asterisk/pjsip.conf"],
    secrets: [
      ["etc/asterisk/pjsip.conf", "640"],
      ["etc/beesip/gateways.json", "600"],
    ],
    told: ['route +420541 names "brno-1", no gateway in service'],
  },
  {
    tree: "sbc",
    device: "exchange",
    planned: ["/etc/kamailio/kamailio.cfg", "/etc/rtpengine/rtpengine.conf"],
    secrets: [
      ["etc/kamailio/kamailio.cfg", "640"],
      ["etc/kamailio/beesip-extensions", "640"],
      ["etc/beesip/gateways.json", "600"],
    ],
    told: ['route +420541 names "brno-1", no gateway in service'],
  },
];

export function useCase(tree: string): UseCase {
  const found = USE_CASES.find((one) => one.tree === tree);
  if (found === undefined) throw new Error(`no use case ${tree}`);
  return found;
}

/** A device of this use case, and its tree alone. */
export function setUp(scene: Scene, { tree, device, more }: UseCase): void {
  cpSync(join(FIXTURES, "devices", device), scene.root, { recursive: true });
  // What uciprov's own package brings for its modules.
  for (const name of ["beesip-guard", "beesip-kamailio", "beesip-probe"])
    cpSync(join(PACKAGE, "etc/init.d", name), join(scene.root, "etc/init.d", name));
  const scripts = join(scene.root, "etc/init.d");
  for (const name of existsSync(scripts) ? readdirSync(scripts) : []) chmodSync(join(scripts, name), 0o755);
  rmSync(scene.tree, { recursive: true });
  cpSync(join(FIXTURES, "trees", tree, "files"), scene.tree, { recursive: true });
  for (const [name, text] of Object.entries(more?.(scene) ?? {})) scene.put(name, text);
  scene.publish({ tree, serial: 1 });
}

/** Changes a file of the tree; it is published when the test does so. */
export function change(scene: Scene, file: string, from: string, to: string): void {
  const text = readFileSync(join(scene.tree, file), "utf8");
  if (!text.includes(from)) throw new Error(`no ${from} in the tree's ${file}`);
  scene.put(file, text.replace(from, to));
}

/** What is uciprov's own, and what is another at each run of the tests: certificates. */
const LEFT_OUT = ["etc/uciprov", "etc/config/uciprov", "etc/ssl", "lib", "tmp"];

/** A device's regular files: path → text. */
export function filesOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (path: string): void => {
    if (LEFT_OUT.includes(path)) return;
    const whole = join(root, path);
    const stat = lstatSync(whole);
    if (stat.isDirectory()) for (const name of readdirSync(whole).sort()) look(path === "" ? name : `${path}/${name}`);
    else if (stat.isFile()) found[path] = readFileSync(whole, "utf8");
  };
  look("");
  return found;
}

/** What a run made or changed is exactly what lies in the tree's folder `device`; nothing is gone. */
export function expectAfterwards(scene: Scene, tree: string, before: Readonly<Record<string, string>>): void {
  const folder = join(FIXTURES, "trees", tree, "device");
  const after = filesOf(scene.root);
  const made = Object.fromEntries(Object.entries(after).filter(([path, text]) => before[path] !== text));
  if (IS_WRITING) {
    rmSync(folder, { recursive: true, force: true });
    for (const [path, text] of Object.entries(made)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }
  expect(made).toEqual(filesOf(folder));
  expect(Object.keys(before).filter((path) => !(path in after))).toEqual([]);
}
