import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Two network namespaces on a cable that takes `delay` milliseconds each way: two TAP devices, and bench/slow-link.c between them. Every layer passes through
 * it: ARP, DNS, TCP, TLS. Whatever the machine has been told to do, TCP begins as RFC 5681 has it: that is Linux's own way, and all Linuxes have it (its default, CUBIC,
 * begins alike; BBR, which some have instead, takes some 25 ms longer for 1 MB over eleven connections). Needs root, `ip`, `sysctl` and `gcc`.
 */
export async function slowLink(delay) {
  const prefix = `b${process.pid.toString(36)}`;
  const folder = mkdtempSync(join(tmpdir(), "uciprov-link-"));
  const program = join(folder, "slow-link");
  execFileSync("gcc", ["-O2", "-o", program, "bench/slow-link.c"]);
  const sides = [
    { namespace: `${prefix}p`, tap: `${prefix}tp`, address: "192.0.2.1" },
    { namespace: `${prefix}d`, tap: `${prefix}td`, address: "192.0.2.50" },
  ];
  const cable = spawn(program, [String(delay * 1000), ...sides.map(({ tap }) => tap)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(cable.stdout, "data");
  const ip = (...args) => execFileSync("ip", args);
  for (const { namespace, tap, address } of sides) {
    ip("netns", "add", namespace);
    ip("link", "set", tap, "netns", namespace, "name", "eth0");
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
    ip("netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
  }
  return {
    provider: sides[0].namespace,
    device: sides[1].namespace,
    close() {
      cable.kill();
      for (const { namespace } of sides) ip("netns", "del", namespace);
      rmSync(folder, { recursive: true });
    },
  };
}
