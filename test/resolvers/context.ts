import type { Dns, Files, LogLevel, ResolverContext, TxtAnswer } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { clock } from "../../src/host/clock.ts";
import { readSettings } from "../../src/settings.ts";

export interface Logged {
  readonly level: LogLevel;
  readonly message: string;
}

export type TestContext = ResolverContext & { readonly logged: Logged[] };

export interface ContextFacts {
  /** `section.option` → value, as /etc/config/uciprov would say it. */
  readonly options?: Readonly<Record<string, string | readonly string[]>>;
  /** Path → content. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly macros?: Readonly<Record<string, string>>;
  readonly dns?: Dns;
  readonly commands?: ResolverContext["commands"];
  readonly http?: ResolverContext["http"];
  readonly clock?: ResolverContext["clock"];
  readonly signal?: AbortSignal;
}

/** A device of plain objects: what is not given is not there, and asking for it fails the test. */
export function aContext(facts: ContextFacts = {}): TestContext {
  const logged: Logged[] = [];
  return {
    files: filesOf(facts.files ?? {}),
    commands: facts.commands ?? { has: () => false, run: () => Promise.reject(new Error("no command is expected")) },
    dns: facts.dns ?? { txt: noQuery, secureTxt: noQuery },
    http: facts.http ?? {
      get: () => Promise.reject(new Error("no HTTP request is expected")),
      close: async () => {},
    },
    settings: settingsOf(facts.options ?? {}),
    facts: {
      mac: "020000c0ffee",
      hostname: "openwrt",
      serial: "SN-1",
      board: "testbed,router",
      model: "Testbed Router",
      target: "x86/64",
      arch: "x86_64",
      distro: "OpenWrt",
      release: "24.10.0",
      revision: "r28427",
      built: 1_700_000_000,
    },
    macros: new Map(
      Object.entries(facts.macros ?? {}).map(([name, value]) => [name, { value, isTainted: true, origin: "test" }]),
    ),
    clock: facts.clock ?? clock,
    log: (level, message) => logged.push({ level, message }),
    signal: facts.signal ?? new AbortController().signal,
    logged,
  };
}

const noQuery = () => Promise.reject(new Error("no DNS query is expected"));

function settingsOf(options: Readonly<Record<string, string | readonly string[]>>) {
  const names = [...new Set(Object.keys(options).map((path) => path.split(".")[0] ?? ""))];
  const sections = names.map((name) => ({
    type: "uciprov",
    name,
    options: Object.entries(options)
      .filter(([path]) => path.startsWith(`${name}.`))
      .map(([path, value]) => ({ name: path.slice(name.length + 1), value })),
  }));
  return readSettings({ name: "uciprov", sections }).settings;
}

function filesOf(files: Readonly<Record<string, string | Uint8Array>>): Files {
  const content = Object.fromEntries(
    Object.entries(files).map(([path, one]) => [path, Uint8Array.from(Buffer.from(one))]),
  );
  const inFolder = (path: string) =>
    Object.keys(content)
      .filter((name) => name.startsWith(`${path}/`))
      .map((name) => name.slice(path.length + 1).split("/")[0] ?? "");
  return {
    readBytes: (path) => content[path],
    read: (path) => content[path] && new TextDecoder().decode(content[path]),
    list: (path) => [...new Set(inFolder(path))].sort(),
    stat: (path) =>
      content[path] && { kind: "file", mode: 0o644, uid: 0, gid: 0, size: content[path].length, modified: 0 },
    readLink: () => undefined,
  };
}

export interface AskedDns extends Dns {
  readonly asked: { name: string; servers: readonly string[]; port: number; deadline: number }[];
}

/** A DNS that knows these names; an `Error` in place of records is thrown; all other names do not exist. */
export function dnsOf(zone: Readonly<Record<string, readonly (readonly (string | Uint8Array)[])[] | Error>>): AskedDns {
  const asked: AskedDns["asked"] = [];
  return {
    asked,
    secureTxt: noQuery,
    async txt(name, { servers, port, deadline, signal }): Promise<TxtAnswer> {
      asked.push({ name, servers, port, deadline });
      if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      const answer = zone[name];
      if (answer instanceof Error) throw answer;
      if (answer === undefined) return { kind: "no-name", name };
      if (answer.length === 0) return { kind: "no-data", name };
      const records = answer.map((strings) => strings.map((one) => Uint8Array.from(Buffer.from(one))));
      return { kind: "records", records, name, ttl: 60 };
    },
  };
}
