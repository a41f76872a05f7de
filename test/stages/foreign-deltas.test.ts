import { beforeEach, describe, expect, test } from "vitest";
import type { RunContext } from "../../src/context.ts";
import { packagesWithDeltas, restoreDeltas, setDeltasAside } from "../../src/stages/foreign-deltas.ts";
import { aRunContext } from "../helpers/run-context.ts";

let ctx: RunContext;

const stage = (name: string, text: string) => {
  if (ctx.disk.stat(`/tmp/.uci/${name}`)) ctx.disk.unlink(`/tmp/.uci/${name}`);
  ctx.disk.writeNew(`/tmp/.uci/${name}`, Buffer.from(text), { mode: 0o600 });
};
const staged = (name: string) => ctx.disk.read(`/tmp/.uci/${name}`);

beforeEach(() => {
  ctx = aRunContext();
  ctx.disk.makeDirectory("/tmp", 0o755);
  ctx.disk.makeDirectory("/tmp/.uci", 0o700);
});

describe("changes that somebody staged and did not commit", () => {
  test("are seen where there are any, and for the packages asked about alone", () => {
    stage("network", "network.lan.proto='dhcp'\n");
    stage("dhcp", "");
    stage("system", "system.x=y\n");
    expect(packagesWithDeltas(ctx, ["network", "dhcp", "firewall"])).toEqual(["network"]);
  });

  test("are away during a trial and back afterwards, byte for byte", () => {
    stage("network", "network.lan.proto='dhcp'\n");
    setDeltasAside(ctx, ["network"]);
    expect(staged("network")).toBeUndefined();
    restoreDeltas(ctx);
    expect(staged("network")).toBe("network.lan.proto='dhcp'\n");
    restoreDeltas(ctx);
    expect(staged("network")).toBe("network.lan.proto='dhcp'\n");
  });

  test("come before what was staged meanwhile, so that the later word is the last", () => {
    stage("network", "network.lan.proto='dhcp'\n");
    setDeltasAside(ctx, ["network"]);
    stage("network", "network.lan.proto='none'\n");
    restoreDeltas(ctx);
    expect(staged("network")).toBe("network.lan.proto='dhcp'\nnetwork.lan.proto='none'\n");
    expect(ctx.disk.list("/var/run/uciprov/deltas")).toEqual([]);
  });

  test("that cannot be staged again stay aside, are told, and keep nobody else's there", () => {
    const told: string[] = [];
    ctx = { ...ctx, log: (_, text) => void told.push(text) };
    for (const name of ["dhcp", "network"]) stage(name, `${name}.x=y\n`);
    setDeltasAside(ctx, ["dhcp", "network"]);
    ctx.disk.makeDirectory("/tmp/.uci/dhcp", 0o700);
    restoreDeltas(ctx);
    expect(staged("network")).toBe("network.x=y\n");
    expect(ctx.disk.list("/var/run/uciprov/deltas")).toEqual(["dhcp"]);
    expect(told.at(-1)).toContain("dhcp stay in /var/run/uciprov/deltas");
  });

  test("are staged once, wherever a run died that put them back", () => {
    stage("network", "network.lan.proto='dhcp'\n");
    setDeltasAside(ctx, ["network"]);
    ctx.disk.writeNew("/var/run/uciprov/deltas/.network.joined", Buffer.from("half"), { mode: 0o600 });
    stage("network", "network.lan.proto='dhcp'\nnetwork.lan.proto='none'\n");
    restoreDeltas(ctx);
    expect(staged("network")).toBe("network.lan.proto='dhcp'\nnetwork.lan.proto='none'\n");
    expect(ctx.disk.list("/var/run/uciprov/deltas")).toEqual([]);
    expect(ctx.disk.list("/tmp/.uci")).toEqual(["network"]);
  });
});
