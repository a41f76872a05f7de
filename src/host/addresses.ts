import { networkInterfaces } from "node:os";

/** The device's first global addresses, as texts; undefined where it has none. */
export interface Addresses {
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
}

/** Below any root but `/` the addresses of this machine are not the device's. */
export function readAddresses(root: string): Addresses {
  if (root !== "/") return { ip: undefined, ip6: undefined };
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter((one) => !one.internal && !/^(?:169\.254\.|fe80:)/i.test(one.address));
  return {
    ip: outside.find((one) => one.family === "IPv4")?.address,
    ip6: outside.find((one) => one.family === "IPv6")?.address,
  };
}

/** Every address of every interface, without zones. */
export function readAllAddresses(root: string): readonly string[] {
  if (root !== "/") return [];
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ address }) => address.replace(/%.*$/, "")),
  );
}
