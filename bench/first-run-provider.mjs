import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

/**
 * node bench/first-run-provider.mjs FOLDER NAME: signs FOLDER/tree and serves it by nginx over HTTPS (443) and HTTP (80), and the TXT record of NAME by
 * dnsmasq, until it is ended; says "ready". Real servers: what one written in JavaScript takes of the two processors is taken from what is measured.
 */
const [folder, name] = process.argv.slice(2);
const bed = await import(pathToFileURL("build/slow-bed.mjs").href);
const ADDRESS = "192.0.2.1";

const { publicKey, secretKey } = bed.generateKeyPair();
const authority = bed.makeAuthority("uciprov bench CA");
const { cert, key } = authority.issue({ names: [ADDRESS] });
bed.signTree(join(folder, "tree"), { tree: "bench", serial: 1 }, [secretKey]);
mkdirSync(join(folder, "trust"), { recursive: true });
writeFileSync(join(folder, "trust", publicKey.fingerprint), bed.printPublicKey(publicKey));
writeFileSync(join(folder, "ca.pem"), authority.cert);
writeFileSync(join(folder, "server.pem"), cert + key);
writeFileSync(join(folder, "nginx.conf"), nginxConf());

const servers = [
  spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "nginx.log")], {
    stdio: "inherit",
  }),
  spawn("dnsmasq", ["-k", "-C", "/dev/null", ...dnsmasqOptions()], { stdio: "inherit" }),
];
for (const server of servers) server.on("exit", end);
process.on("SIGTERM", end);
for (const port of [53, 80, 443]) await listens(port);
console.log("ready");

function end() {
  for (const server of servers) server.kill("SIGTERM");
  process.exit();
}

/** Both servers answer over TCP, too. */
async function listens(port) {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, ADDRESS);
    const isThere = await new Promise((resolve) =>
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false)),
    );
    socket.destroy();
    if (isThere) return;
    await sleep(50);
  }
  throw new Error(`nobody listens on ${ADDRESS}:${port}`);
}

function dnsmasqOptions() {
  const record = `--txt-record=${name},provuri=https://${ADDRESS}/tree`;
  return [
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    `--listen-address=${ADDRESS}`,
    "--bind-interfaces",
    "--pid-file",
    record,
  ];
}

function nginxConf() {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
user root;
pid ${folder}/nginx.pid;
worker_processes 1;
events { worker_connections 200; }
http {
  access_log off;
  default_type application/octet-stream;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/nginx-${kind};`).join(" ")}
  ssl_protocols TLSv1.3; # old ones leave it out by default, and TLS 1.2 takes a round trip more
  ssl_certificate ${folder}/server.pem;
  ssl_certificate_key ${folder}/server.pem;
  root ${folder};
  server { listen ${ADDRESS}:80; listen ${ADDRESS}:443 ssl; }
}
`;
}
