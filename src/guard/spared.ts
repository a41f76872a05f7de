/** Who is never banned, whatever a log says: a log tells what packets say of themselves, and anybody can write a source address. */
import { type Address, isIn, type Network, parseNetwork } from "./address.ts";
import type { Guard } from "./guard-file.ts";

/**
 * `allow`: listed. `own`: this device. `lifeline`: its name servers and gateways. `private`: an address of somebody's own network, which the device
 * would cut off whole. `no-host`: nobody's.
 */
export type Sparing = "allow" | "own" | "lifeline" | "private" | "no-host";

/** What the device knows of itself at this moment. */
export interface Surroundings {
  readonly own: readonly Address[];
  readonly lifeline: readonly Address[];
}

const networks = (...texts: string[]): readonly Network[] => texts.flatMap((text) => parseNetwork(text) ?? []);

/** RFC 6890: this network, loopback, link-local, multicast, reserved and broadcast. */
const NO_HOSTS = networks(
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/128",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
);
/** RFC 1918, 6598, 4193. */
const PRIVATE = networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7");

/** Why an address is spared, or undefined. */
export function whySpared(address: Address, guard: Guard, { own, lifeline }: Surroundings): Sparing | undefined {
  const isOneOf = (all: readonly Address[]) => all.some((one) => one.text === address.text);
  const isWithin = (all: readonly Network[]) => all.some((one) => isIn(address, one));
  if (isWithin(NO_HOSTS)) return "no-host";
  if (isOneOf(guard.own) || isOneOf(own)) return "own";
  if (isWithin(guard.allow)) return "allow";
  if (isOneOf(lifeline)) return "lifeline";
  return !guard.ban.private && isWithin(PRIVATE) ? "private" : undefined;
}
