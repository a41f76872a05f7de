import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Authority, makeAuthority } from "../../src/admin/certificates.ts";
import { packOverlay } from "../../src/admin/demo-bed.ts";
import { signTree } from "../../src/admin/sign-tree.ts";
import { generateKeyPair, type PublicKey, printPublicKey } from "../../src/tree/keys.ts";
import type { ManifestImage } from "../../src/tree/manifest.ts";
import { logOf, type TwoHosts, twoHosts } from "./netns.ts";

/** The provider's side of the cable: dnsmasq, nginx and unbound, and a signed tree. */
export interface Provider {
  readonly net: TwoHosts;
  readonly authority: Authority;
  readonly publicKey: PublicKey;
  /** The folder of the tree; change it, then `publish` with a higher serial. */
  readonly tree: string;
  publish(serial: number, images?: readonly ManifestImage[]): void;
  /** What nginx answered since the last look: when (milliseconds since 1970), path below the server, status. */
  noted(): { readonly at: number; readonly path: string; readonly status: number }[];
  startWeb(): Promise<void>;
  /** All its processes are gone, and nothing listens any more. */
  stopWeb(): Promise<void>;
  close(): Promise<void>;
}

/** The device's domain: the TXT record at `_uciprov.` of it tells the URI. */
export const DOMAIN = "fleet.example";
/** Where unbound answers, which fails for every name. */
export const FAILING_DNS = "192.0.2.1#5300";
const SERVER = `prov.${DOMAIN}`;
const FIXTURES = new URL("../../fixtures/", import.meta.url).pathname;

/** What `uciprov.dns.name` a device gets to see one way in which a provider can be: below that name a TXT record leads there. */
const BASES = {
  good: `https://${SERVER}/tree`,
  ipv6: "https://[2001:db8:1::1]/tree",
  gzip: `https://${SERVER}/gzip/tree`,
  slow: `https://${SERVER}/slow/tree`,
  closing: `https://${SERVER}/close/tree`,
  busy: `https://${SERVER}/busy/tree`,
  loop: `https://${SERVER}/loop/tree`,
  insecure: `https://${SERVER}/down/tree`,
  misnamed: `https://${SERVER}:8443/tree`,
  expired: `https://${SERVER}:9443/tree`,
  nobody: `https://${SERVER}:7443/tree`,
} as const;

export function nameOf(base: keyof typeof BASES): string {
  return `${base}.${DOMAIN}`;
}

export async function startProvider(): Promise<Provider> {
  const net = twoHosts();
  const { folder, prov } = net;
  const tree = join(folder, "www/tree");
  const { publicKey, secretKey } = generateKeyPair();
  const authority = makeAuthority("Fleet CA");
  const resolv = join("/etc/netns", net.dev.namespace);
  let nginx: ChildProcess | undefined;
  let looked = 0;

  cpSync(join(FIXTURES, "trees/first-light/files"), tree, { recursive: true });
  await packOverlay(join(FIXTURES, "trees/first-light/overlay"), join(tree, "overlay.tar.gz"));
  // `ip netns exec` lays these over the machine's own, so that libc's look-ups ask dnsmasq.
  mkdirSync(resolv, { recursive: true });
  writeFileSync(join(resolv, "resolv.conf"), "nameserver 192.0.2.1\n");
  writeConfigurations(folder, authority);

  const provider: Provider = {
    net,
    authority,
    publicKey,
    tree,
    publish: (serial, images = []) => void signTree(tree, { tree: "first-light", serial, images }, [secretKey]),
    noted() {
      const lines = linesOf(join(folder, "access.log"));
      const fresh = lines.slice(looked);
      looked = lines.length;
      return fresh.map(readAccess);
    },
    async startWeb() {
      nginx = prov.start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "errors.log")]);
      for (const port of [443, 8443, 9443]) await prov.listens("tcp", port);
    },
    async stopWeb() {
      if (nginx?.exitCode !== null) return;
      const gone = once(nginx, "exit");
      // `ip` became nginx by exec, so this is its master, which takes its workers along.
      nginx.kill("SIGTERM");
      await gone;
      nginx = undefined;
    },
    async close() {
      await net.close();
      rmSync(resolv, { recursive: true, force: true });
    },
  };
  try {
    provider.publish(1);
    prov.start("dnsmasq", ["-k", "-C", join(folder, "dnsmasq.conf")]);
    prov.start("unbound", ["-d", "-c", join(folder, "unbound.conf")]);
    await prov.listens("udp", 53);
    await prov.listens("udp", 5300);
    await provider.startWeb();
  } catch (thrown) {
    const logs = ["dnsmasq", "unbound", "nginx"].map((name) => `${name}: ${logOf(folder, name)}`);
    await provider.close();
    throw new Error(logs.join("\n"), { cause: thrown });
  }
  return provider;
}

/** Takes the cable out at the device's end for a while, and puts it back as it was: a link that goes down loses its IPv6 addresses. */
export async function unplugged(net: TwoHosts, milliseconds: number): Promise<void> {
  await net.dev.run("ip", ["link", "set", "eth0", "down"]);
  await sleep(milliseconds);
  plugIn(net);
}

export function plugIn({ dev }: TwoHosts): void {
  const ip = (...args: string[]) => execFileSync("ip", ["-n", dev.namespace, ...args]);
  ip("link", "set", "eth0", "up");
  for (const net of ["2001:db8:1", "fe80"]) ip("addr", "replace", `${net}::50/64`, "dev", "eth0", "nodad");
}

export function keyFile({ publicKey }: Provider): { readonly name: string; readonly text: string } {
  return { name: publicKey.fingerprint, text: printPublicKey(publicKey) };
}

/** nginx may be writing the last one still. */
function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

function readAccess(line: string) {
  const [at, path = "", status] = line.split(" ");
  return { at: Number(at) * 1000, path, status: Number(status) };
}

function writeConfigurations(folder: string, authority: Authority): void {
  const put = (name: string, content: string) => writeFileSync(join(folder, name), content);
  const pem = (wanted: Parameters<Authority["issue"]>[0]) => {
    const { cert, key } = authority.issue(wanted);
    return cert + key;
  };
  put("good.pem", pem({ names: [SERVER, "2001:db8:1::1"] }));
  put("other.pem", pem({ names: ["other.example"] }));
  put("expired.pem", pem({ names: [SERVER], notBefore: new Date("2020-01-01"), notAfter: new Date("2020-02-01") }));
  put("access.log", "");
  put("nginx.conf", NGINX.replaceAll("FOLDER", folder).replaceAll("SERVER", SERVER));
  put("dnsmasq.conf", `${DNSMASQ.replaceAll("FOLDER", folder)}${textRecords()}`);
  put("unbound.conf", UNBOUND.replaceAll("FOLDER", folder));
}

function textRecords(): string {
  const records = Object.entries(BASES).map(([name, uri]) => `txt-record=${name}.${DOMAIN},"provuri=${uri}"`);
  const beacon = `txt-record=beacon.${DOMAIN},"provuri=${BASES.good}","serial=7"`;
  return [`txt-record=_uciprov.${DOMAIN},"provuri=${BASES.good}"`, beacon, ...records, ""].join("\n");
}

const DNSMASQ = `
user=root
bind-interfaces
interface=eth0
except-interface=lo
no-resolv
no-hosts
pid-file=FOLDER/dnsmasq.pid
local=/${DOMAIN}/
host-record=${SERVER},192.0.2.1,2001:db8:1::1
`;

/** Validates by an anchor that no key of the zone matches, so that whatever dnsmasq says is bogus: SERVFAIL. */
const UNBOUND = `
server:
  interface: 192.0.2.1@5300
  access-control: 192.0.2.0/24 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "FOLDER"
  pidfile: "FOLDER/unbound.pid"
  use-syslog: no
  module-config: "validator iterator"
  trust-anchor: "${DOMAIN}. DS 1 15 2 ${"00".repeat(32)}"
forward-zone:
  name: "${DOMAIN}."
  forward-addr: 192.0.2.1@53
remote-control:
  control-enable: no
`;

const NGINX = `
daemon off;
user root;
pid FOLDER/nginx.pid;
worker_processes 1;
events { worker_connections 200; }
http {
  log_format few '$msec $request_uri $status';
  access_log FOLDER/access.log few;
  client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2; fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
  default_type application/octet-stream;
  ssl_certificate FOLDER/good.pem;
  ssl_certificate_key FOLDER/good.pem;
  root FOLDER/www;
  server {
    listen 192.0.2.1:80; listen 192.0.2.1:443 ssl; listen [2001:db8:1::1]:443 ssl;
    location /slow/ { alias FOLDER/www/; limit_rate 100k; }
    location /gzip/ { alias FOLDER/www/; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; }
    location /close/ { return 444; }
    location /busy/ { add_header Retry-After 2 always; return 503; }
    location /loop/ { return 302 $scheme://$host$request_uri; }
    location /down/ { return 302 http://SERVER/tree/MANIFEST; }
  }
  server { listen 192.0.2.1:8443 ssl; ssl_certificate FOLDER/other.pem; ssl_certificate_key FOLDER/other.pem; }
  server { listen 192.0.2.1:9443 ssl; ssl_certificate FOLDER/expired.pem; ssl_certificate_key FOLDER/expired.pem; }
}
`;
