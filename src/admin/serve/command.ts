import { existsSync, statSync, writeFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Command, Invocation } from "../../commands/command.ts";
import { usageOf } from "../../commands/help.ts";
import { ProvisionError } from "../../errors.ts";
import { makeAuthority } from "../certificates.ts";
import { domainName } from "../domain-name.ts";
import { serveNames } from "../name-server.ts";
import { serveTree } from "../tree-server.ts";
import { LETTERS, letterIn } from "./letters.ts";
import { Bench, lineOf, type Seen } from "./progress.ts";

const PORTS = { https: 8443, dns: 5300 } as const;

/**
 * `tree serve DIR`: HTTPS with a CA made for this start, and DNS with the TXT record, for routers on a bench, until SIGINT or SIGTERM. Only DIR is served, and
 * nothing is written but the CA's certificate where `--out` says.
 */
export const serve: Command = async (invocation) => {
  const [, folder] = invocation.words;
  const { options, signal } = invocation;
  if (folder === undefined) throw usageOf("tree serve");
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ProvisionError("USAGE", `${folder} is no folder`);
  const address = addressOf(options.listen);
  const name = `_uciprov.${domainName(options.domain ?? "bench.example")}`;
  const authority = makeAuthority("uciprov bench CA");
  if (options.out !== undefined) write(options.out, authority.cert);
  const watch = watcher(invocation);
  const identity = authority.issue({ names: [address] });
  const web = await opening(`${address}, HTTPS`, () =>
    serveTree(
      folder,
      identity,
      address,
      port(options.httpsPort, PORTS.https),
      (one) => one.path !== LETTERS && watch.see({ ...one, kind: "file" }),
      async (request, client) => {
        if (request.url !== LETTERS) return undefined;
        const told = await letterIn(request);
        if (told !== undefined) watch.see({ ...told, kind: "letter", client });
        return told === undefined ? 400 : 204;
      },
    ),
  );
  try {
    const names = await opening(`${address}, DNS`, () =>
      serveNames(address, port(options.dnsPort, PORTS.dns), (name, client) =>
        watch.see({ kind: "name", client, name }),
      ),
    );
    try {
      const uri = `https://${isIPv4(address) ? address : `[${address}]`}:${web.port}`;
      // No serial: on a bench the tree is signed anew time and again, and each run is to look at it.
      names.publish(name, [[`provuri=${uri}`]]);
      const isSigned = existsSync(join(folder, "MANIFEST"));
      announce(invocation, { uri, name, server: `${address}#${names.port}`, isSigned, ca: authority.cert });
      await stopped(signal);
    } finally {
      await names.close();
    }
  } finally {
    await web.close();
  }
  return "provisioned";
};

/** The address devices reach this machine at: the first that is not its own loopback, if nobody says. */
function addressOf(given: string | undefined): string {
  if (given !== undefined) {
    if (isIP(given) === 0) throw new ProvisionError("USAGE", `--listen ${given} is no address`);
    return given;
  }
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (found === undefined)
    throw new ProvisionError("USAGE", "this machine has no address but its own: --listen says which");
  return found;
}

function port(given: string | undefined, usual: number): number {
  if (given === undefined) return usual;
  const number = Number(given);
  if (!/^\d{1,5}$/.test(given) || number > 65_535) throw new ProvisionError("USAGE", `${given} is no port`);
  return number;
}

async function opening<T>(what: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (cause) {
    throw new ProvisionError("USAGE", `cannot listen at ${what}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new ProvisionError("USAGE", `--out ${file} cannot be written`, { cause });
  }
}

interface Announced {
  readonly uri: string;
  readonly name: string;
  readonly server: string;
  readonly isSigned: boolean;
  readonly ca: string;
}

function announce({ flags, print }: Invocation, { uri, name, server, isSigned, ca }: Announced): void {
  if (flags.isJson) {
    print(JSON.stringify({ version: 1, uri, name, server, ca }));
    return;
  }
  const unsigned = isSigned ? "" : "\n# The tree has no MANIFEST: sign it first, uciprov tree sign";
  print(`# ${uri}, TXT ${name} at ${server}. On each device, as root:${unsigned}
cat >/etc/uciprov/ca.pem <<'END'
${ca.trim()}
END
uci set uciprov.main=uciprov
uci add_list uciprov.main.ca=/etc/uciprov/ca.pem
uci set uciprov.dns=uciprov
uci set uciprov.dns.name=${name}
uci add_list uciprov.dns.server='${server}'
uci set uciprov.report=uciprov
uci set uciprov.report.uri=${uri}${LETTERS}
uci commit uciprov
uciprov run`);
}

/** Plain lines into a pipe or a log; on a terminal a bar a device, drawn over the last ones. */
function watcher({ tell, flags }: Invocation): { see(seen: Seen): void } {
  const bench = new Bench();
  const { stderr } = process;
  const isDrawn = stderr.isTTY === true && !flags.isVerbose && !flags.isQuiet;
  let drawn = 0;
  return {
    see(seen) {
      bench.see(seen);
      if (!isDrawn) {
        if (!flags.isQuiet) tell(lineOf(seen));
        return;
      }
      const lines = bench.lines(stderr.columns > 0 ? stderr.columns : 80);
      stderr.write(`${drawn > 0 ? `\u001b[${drawn}F\u001b[J` : ""}${lines.join("\n")}\n`);
      drawn = lines.length;
    },
  };
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
