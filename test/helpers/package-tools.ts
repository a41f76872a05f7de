/**
 * opkg and apk as plain objects: what they print, how they end and what they write into their data bases, as their sources have it
 * (openwrt/opkg-lede libopkg/opkg_install.c, opkg_remove.c, opkg_cmd.c; apk-tools src/app_add.c, app_del.c, commit.c), lies included; compared with
 * apk-tools 3.0.6 built from its source: a name once asked for stays in the world and is tried again with every other, a broken package is counted by every command.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CommandResult, Commands } from "../../src/api.ts";

export interface Offered {
  readonly depends?: readonly string[];
  readonly provides?: readonly string[];
  readonly size?: number;
  /** Bringing it would exchange this installed one, too. */
  readonly upgrades?: string;
  /** Its post-install script fails: opkg leaves it unpacked, apk installs it and from then on ends every command with 1. */
  readonly scriptFails?: boolean;
  /** Its file cannot be downloaded. */
  readonly isUnreachable?: boolean;
}

export interface ToolScene {
  readonly root: string;
  readonly tool: "opkg" | "apk";
  readonly installed: Readonly<Record<string, Offered>>;
  readonly feed: Readonly<Record<string, Offered>>;
  readonly feedsAreDown?: boolean;
  readonly isLocked?: boolean;
  /** Ends with this whatever it did. */
  readonly lies?: number;
}

export interface Tool {
  readonly commands: Commands;
  readonly calls: string[];
  names(): string[];
}

const DATA = { opkg: "usr/lib/opkg/status", apk: "lib/apk/db/installed" } as const;

export function makeTool(scene: ToolScene): Tool {
  const { root, tool, feed } = scene;
  const there = new Map<string, Offered>(Object.entries(scene.installed));
  const unpacked = new Set<string>();
  const world = new Set<string>(Object.keys(scene.installed));
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const write = () => {
    put(DATA[tool], tool === "opkg" ? opkgStatus(there, unpacked) : apkInstalled(there));
    if (tool === "apk") put("etc/apk/world", `${[...world].join("\n")}\n`);
  };
  write();
  const calls: string[] = [];

  const closure = (asked: string, into: string[] = []): string[] => {
    const name = realName(feed, asked);
    if (there.has(name) || into.includes(name) || feed[name] === undefined) return into;
    for (const one of feed[name]?.depends ?? []) closure(one, into);
    into.push(name);
    return into;
  };
  const needing = (name: string): string[] =>
    [...there].flatMap(([one, { depends = [] }]) => (depends.includes(name) ? [one] : []));

  function opkg(args: readonly string[]): Partial<CommandResult> {
    if (scene.isLocked) {
      return {
        status: 255,
        stderr:
          "Collected errors:\n * opkg_conf_load: Could not lock /var/lock/opkg.lock: Resource temporarily unavailable.\n",
      };
    }
    const isDry = args[0] === "--noaction";
    const [verb, ...names] = isDry ? args.slice(1) : args;
    if (verb === "update") {
      if (!scene.feedsAreDown)
        return {
          stdout:
            "Downloading https://feed.example/Packages.gz\nUpdated list of available packages in /var/opkg-lists/base\nSignature check passed.\n",
        };
      return {
        status: 1,
        stdout:
          "Downloading https://feed.example/Packages.gz\n*** Failed to download the package list from https://feed.example/Packages.gz\n\n",
        stderr:
          "Collected errors:\n * opkg_download: Failed to download https://feed.example/Packages.gz, wget returned 4.\n",
      };
    }
    if (verb === "info")
      return {
        stdout: names
          .map(
            (name) =>
              `Package: ${name}\nVersion: 1.0-r1\nSize: ${feed[name]?.size ?? 1000}\nInstalled-Size: ${feed[name]?.size ?? 10_000}\n`,
          )
          .join("\n"),
      };
    let [out, err, status] = ["", "", 0];
    if (verb === "install") {
      for (const name of names.map((one) => realName(feed, one))) {
        if (feed[name] === undefined || scene.feedsAreDown) {
          out += `Unknown package '${name}'.\n`;
          err += `Collected errors:\n * opkg_install_cmd: Cannot install package ${name}.\n`;
          status = 255;
          continue;
        }
        for (const one of closure(name)) {
          out += `Installing ${one} (1.0-r1) to root...\n`;
          if (feed[one]?.isUnreachable) {
            err += `Collected errors:\n * opkg_download: Failed to download https://feed.example/${one}.ipk, wget returned 8.\n * opkg_install_pkg: Failed to download ${one}. Perhaps you need to run 'opkg update'?\n * opkg_install_cmd: Cannot install package ${name}.\n`;
            status = 255;
            break;
          }
          out += `Downloading https://feed.example/${one}.ipk\n`;
          if (feed[one]?.upgrades) out += `Upgrading ${feed[one]?.upgrades} on root from 1.0-r1 to 2.0-r1...\n`;
          if (isDry) continue;
          there.set(one, feed[one] ?? {});
          if (feed[one]?.scriptFails) {
            unpacked.add(one);
            err += `Collected errors:\n * pkg_run_script: package "${one}" postinst script returned status 1.\n * opkg_configure: ${one}.postinst returned 1.\n`;
            status = 255;
          } else out += `Configuring ${one}.\n`;
        }
      }
    } else if (verb === "remove") {
      let done = 0;
      for (const name of names) {
        if (!there.has(name)) continue;
        const dependents = needing(name).filter((one) => there.has(one));
        if (dependents.length > 0) {
          err += `Collected errors:\n * print_dependents_warning: Package ${name} is depended upon by packages:\n * print_dependents_warning: \t${dependents[0]}\n`;
          status = 255;
          continue;
        }
        out += `Removing package ${name} from root...\n`;
        done++;
        if (!isDry) there.delete(name);
      }
      if (done === 0) out += "No packages removed.\n"; // with status 0
    }
    return { status, stdout: out, stderr: err };
  }

  function apk(args: readonly string[]): Partial<CommandResult> {
    const words = args.filter((word) => !word.startsWith("-") && !/^\d+$/.test(word));
    const [verb, ...names] = words;
    const isDry = args.includes("--simulate");
    if (scene.isLocked)
      return {
        status: 99,
        stdout: "Waiting for repository lock\n",
        stderr:
          "ERROR: Unable to lock database: Interrupted system call\nERROR: Failed to open apk database: Interrupted system call\n",
      };
    const total = `OK: 15.3 MiB in ${there.size} packages\n`;
    if (verb === "update") {
      if (!scene.feedsAreDown) return { stdout: `https://feed.example/packages.adb\n${total}` };
      return {
        status: 1,
        stdout: "1 unavailable, 0 stale; 0 distinct packages available\n",
        stderr: "WARNING: updating https://feed.example/packages.adb: temporary error (try again later)\n",
      };
    }
    if (verb === "info")
      return {
        stdout: names
          .map((name) => `${name}-1.0-r1 installed size:\n${(feed[name]?.size ?? 10_240) / 1024} KiB\n`)
          .join("\n"),
      };
    const steps: string[] = [];
    let [err, status] = ["", 0];
    if (verb === "add") {
      const asked = [...new Set([...names, ...world])].filter((name) => !there.has(realName(feed, name)));
      const unknown = asked.filter((name) => feed[realName(feed, name)] === undefined || scene.feedsAreDown);
      if (unknown.length > 0) {
        return {
          status: unknown.length,
          stderr: `ERROR: unable to select packages:\n${unknown.map((name) => `  ${name} (no such package):\n    required by: world[${name}]\n`).join("")}`,
        };
      }
      const coming = [...new Set(asked.flatMap((name) => closure(name)))];
      for (const name of coming) {
        steps.push(`Installing ${name} (1.0-r1)`);
        if (feed[name]?.upgrades) steps.push(`Upgrading ${feed[name]?.upgrades} (1.0-r1 -> 2.0-r1)`);
        if (isDry) continue;
        if (feed[name]?.isUnreachable) {
          err += `ERROR: ${name}-1.0-r1: remote server returned error (try 'apk update')\n`;
          status++;
          continue;
        }
        there.set(name, feed[name] ?? {});
        if (feed[name]?.scriptFails) {
          err += `ERROR: lib/apk/exec/${name}-1.0-r1.post-install: exited with error 1\n`;
        }
      }
      if (!isDry) for (const name of names) world.add(name);
    } else if (verb === "del") {
      const isNamed = (name: string) =>
        there.get(name)?.provides?.some((one) => world.has(one) && !names.includes(one));
      const held = names.filter((name) => isNamed(name) || needing(name).some((one) => !names.includes(one)));
      for (const name of names) {
        if (!isDry) world.delete(name);
        if (held.includes(name) || !there.has(name)) continue;
        steps.push(`Purging ${name} (1.0-r1)`);
        if (!isDry) there.delete(name);
      }
      if (held.length > 0) {
        const told = held.map((name) => `  ${name}: ${needing(name).join(" ")}\n`).join("");
        const stdout = `World updated, but the following packages are not removed due to:\n${told}\n${total}`;
        return { status: brokenIn(there), stdout }; // 0, as a rule
      }
    }
    status += brokenIn(there);
    const out = steps.map((step, at) => `(${at + 1}/${steps.length}) ${step}\n`).join("");
    return { status, stdout: `${out}${status > 0 ? `${status} error; ` : ""}${total}`, stderr: err };
  }

  return {
    calls,
    names: () => [...there.keys()].sort(),
    commands: {
      has: (name) => name === tool,
      async run(name, args) {
        if (name !== tool) throw new Error(`${name} is not on this device`);
        calls.push(args.join(" "));
        const result = tool === "opkg" ? opkg(args) : apk(args);
        if (!args.includes("--noaction") && !args.includes("--simulate")) write();
        const base = { status: 0, signal: null, stdout: "", stderr: "", timedOut: false };
        return { ...base, ...result, ...(scene.lies === undefined ? {} : { status: scene.lies }) };
      },
    },
  };
}

/** What a name in `provides` stands for. */
function realName(feed: ToolScene["feed"], name: string): string {
  const provider = Object.entries(feed).find(([, one]) => one.provides?.includes(name))?.[0];
  return feed[name] === undefined ? (provider ?? name) : name;
}

/** How many installed packages apk has marked as broken. */
function brokenIn(there: ReadonlyMap<string, Offered>): number {
  return [...there.values()].filter((one) => one.scriptFails).length;
}

export function readData(root: string, tool: "opkg" | "apk"): string {
  return readFileSync(join(root, DATA[tool]), "utf8");
}

export function opkgStatus(there: ReadonlyMap<string, Offered>, unpacked: ReadonlySet<string> = new Set()): string {
  return [...there]
    .map(([name, { depends = [], provides = [] }]) =>
      [
        `Package: ${name}`,
        "Version: 1.0-r1",
        ...(depends.length > 0
          ? [`Depends: ${depends.map((one, at) => (at === 0 ? one : `${one} (>= 1.0)`)).join(", ")}`]
          : []),
        ...(provides.length > 0 ? [`Provides: ${provides.join(", ")}`] : []),
        `Status: install user ${unpacked.has(name) ? "unpacked" : "installed"}`,
        "Architecture: aarch64_cortex-a53",
        "Conffiles:",
        ` /etc/config/${name} 0123456789abcdef0123456789abcdef`,
        "Installed-Time: 1750000000",
        "",
        "",
      ].join("\n"),
    )
    .join("");
}

export function apkInstalled(there: ReadonlyMap<string, Offered>): string {
  return [...there]
    .map(([name, { depends = [], provides = [] }]) =>
      [
        "C:Q1pSfbO0kYxLcjpqBjQGZlVtQ0dZk=",
        `P:${name}`,
        "V:1.0-r1",
        "A:aarch64_cortex-a53",
        "S:1000",
        "I:10240",
        ...(depends.length > 0
          ? [`D:${depends.map((one, at) => (at === 0 ? one : `${one}>=1.0`)).join(" ")} !conflicting`]
          : []),
        ...(provides.length > 0 ? [`p:${provides.map((one) => `${one}=1.0-r1`).join(" ")}`] : []),
        "F:usr/bin",
        `R:${name}`,
        "a:0:0:755",
        "Z:Q1abcdefghijklmnopqrstuvwxyz0=",
        "",
        "",
      ].join("\n"),
    )
    .join("");
}
