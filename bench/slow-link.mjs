import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Two network namespaces on a cable that takes `delay` milliseconds each way: two TAP devices (by socat), and a relay between them in this process.
 * Every layer passes through it: ARP, DNS, TCP, TLS. Needs root, `ip` and `socat`.
 */
export async function slowLink(delay) {
  const prefix = `b${process.pid.toString(36)}`;
  const sides = [
    { namespace: `${prefix}p`, tap: `${prefix}tp`, address: "192.0.2.1" },
    { namespace: `${prefix}d`, tap: `${prefix}td`, address: "192.0.2.50" },
  ];
  const ip = (...args) => execFileSync("ip", args);
  const relays = sides.map(() => createSocket("udp4"));
  for (const relay of relays) {
    relay.bind(0, "127.0.0.1");
    await once(relay, "listening");
  }
  const children = [];
  let isOpen = true;
  for (const [index, { namespace, tap, address }] of sides.entries()) {
    ip("netns", "add", namespace);
    const port = await freePort();
    const other = relays[1 - index];
    relays[index].on("message", (frame) => {
      setTimeout(() => isOpen && other.send(frame, other.peer, "127.0.0.1"), delay);
    });
    relays[index].peer = port;
    children.push(
      spawn(
        "socat",
        [
          "-b",
          "2048",
          `TUN,tun-type=tap,iff-no-pi,tun-name=${tap}`,
          `UDP4-DATAGRAM:127.0.0.1:${relays[index].address().port},bind=127.0.0.1:${port}`,
        ],
        { stdio: "ignore" },
      ),
    );
    await appears(tap);
    ip("link", "set", tap, "netns", namespace, "name", "eth0");
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
  }
  return {
    provider: sides[0].namespace,
    device: sides[1].namespace,
    close() {
      isOpen = false;
      for (const child of children) child.kill();
      for (const relay of relays) relay.close();
      for (const { namespace } of sides) ip("netns", "del", namespace);
    },
  };
}

async function freePort() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

async function appears(tap) {
  for (let tries = 0; tries < 100; tries++) {
    try {
      execFileSync("ip", ["link", "show", tap], { stdio: "ignore" });
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error(`socat made no device ${tap}`);
}
