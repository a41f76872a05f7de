import { type Change, file, type PlanContext } from "../src/api.ts";
import { readMarked } from "./_marked-block.ts";
import { type AuthorizedKey, parseAuthorizedKey } from "./_ssh-key.ts";

/** The blocks of our keys, for each SSH server that is there. */
export function planKeys(context: PlanContext): Change[] {
  const keys = keysIn(context);
  const servers = serversOn(context);
  if (servers.length === 0 && context.resources.length > 0) {
    context.finding("warning", "KEYS_INVALID", "the tree has SSH keys, but there is neither dropbear nor OpenSSH");
  }
  return servers.flatMap((server) => changeFor(server, keys, context));
}

const KEYS_LIMIT = 1000;

interface Server {
  readonly name: "dropbear" | "OpenSSH";
  readonly path: string;
}

/** dropbear reads root's keys in /etc/dropbear only. (openwrt/openwrt: package/network/services/dropbear/patches/100-pubkey_path.patch) */
function serversOn({ files }: PlanContext): readonly Server[] {
  const isThere = (...paths: string[]): boolean => paths.some((path) => files.stat(path) !== undefined);
  const servers: Server[] = [];
  if (isThere("/usr/sbin/dropbear", "/etc/config/dropbear")) {
    servers.push({ name: "dropbear", path: "/etc/dropbear/authorized_keys" });
  }
  if (isThere("/usr/sbin/sshd")) servers.push({ name: "OpenSSH", path: "/root/.ssh/authorized_keys" });
  return servers;
}

/** All keys of all lists, each once; every line that is none is told. */
function keysIn(context: PlanContext): readonly AuthorizedKey[] {
  const keys = new Map<string, AuthorizedKey>();
  for (const resource of context.resources) {
    const lines = (context.text(resource.name) ?? "").split("\n");
    for (const [at, raw] of lines.entries()) {
      const line = raw.trim();
      if (line === "" || line.startsWith("#")) continue;
      const key = parseAuthorizedKey(line);
      if (typeof key !== "string") keys.set(key.identity, key);
      else context.finding("error", "KEYS_INVALID", `the line ${key}`, { file: resource.uri, line: at + 1 });
    }
  }
  if (keys.size > KEYS_LIMIT) context.finding("error", "KEYS_INVALID", `${keys.size} keys, ${KEYS_LIMIT} are allowed`);
  return [...keys.values()];
}

function changeFor(server: Server, keys: readonly AuthorizedKey[], context: PlanContext): Change[] {
  const there = context.files.readBytes(server.path) ?? new Uint8Array();
  const marked = readMarked(there);
  const place = { file: server.path };
  if (marked.isBroken) {
    const message = "has a mark of uciprov without its other half; the lines there stay until somebody looks";
    context.finding("warning", "KEYS_INVALID", `${server.path} ${message}`, place);
  }
  if (keys.length === 0) {
    if (marked.lines.length === 0) return [];
    if (!letsSomebodyIn(server, marked.others, context)) {
      refuseLockOut(server, context);
      return [];
    }
  }
  for (const key of keys) warnOfOptions(server, key, context);
  const content = marked.withLines(keys.map((key) => key.line));
  const origin = context.resources[0]?.origin ?? { module: "sshkeys" };
  return [file(server.path, content, { mode: 0o600, shared: true, madeFrom: there, origin })];
}

/** Whether somebody can log in without our keys: with a key of their own, or (dropbear) with root's password. */
function letsSomebodyIn(server: Server, others: readonly string[], context: PlanContext): boolean {
  if (others.some((line) => typeof parseAuthorizedKey(line.trim()) !== "string")) return true;
  if (server.name === "OpenSSH") return false; // it takes no password for root unless told otherwise
  const sections = context.uci("dropbear")?.sections.filter((section) => section.type === "dropbear") ?? [];
  const isOff = (options: (typeof sections)[number]["options"], name: string): boolean => {
    const value = options.find((option) => option.name === name)?.value;
    return typeof value === "string" && ["0", "off", "no", "false", "disabled"].includes(value);
  };
  return sections.some(
    ({ options }) => !["enable", "PasswordAuth", "RootPasswordAuth", "RootLogin"].some((name) => isOff(options, name)),
  );
}

function refuseLockOut(server: Server, context: PlanContext): void {
  const isSaid = context.resources.length > 0;
  const message = `without the tree's keys nobody could log in through ${server.name}`;
  context.finding(
    isSaid ? "error" : "warning",
    "KEYS_INVALID",
    isSaid ? `${message}; publish at least one key` : `${message}, so they stay although the tree has none`,
    { file: server.path },
  );
}

/** Options dropbear knows; with any other it ignores the key. (dropbear: svr-authpubkeyoptions.c) */
const DROPBEAR_OPTIONS: ReadonlySet<string> = new Set([
  "command",
  "no-agent-forwarding",
  "no-port-forwarding",
  "no-pty",
  "no-touch-required",
  "no-x11-forwarding",
  "permitopen",
  "restrict",
  "verify-required",
]);

function warnOfOptions(server: Server, key: AuthorizedKey, context: PlanContext): void {
  const unknown = server.name === "dropbear" ? key.options.find((option) => !DROPBEAR_OPTIONS.has(option)) : undefined;
  if (unknown === undefined) return;
  const message = `dropbear does not know the option "${unknown}" and will ignore the key ${key.identity.slice(0, 40)}…`;
  context.finding("warning", "KEYS_INVALID", message, { file: server.path });
}
