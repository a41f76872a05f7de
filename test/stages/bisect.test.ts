import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PackagePlan } from "../../src/plan.ts";
import { leftParts, partOfPackage, partOfPath, partsOf, withDependents } from "../../src/stages/bisect/parts.ts";
import { leastToLeaveOut } from "../../src/stages/bisect/search.ts";
import { diffPackages } from "../../src/uci/diff.ts";
import { makeSection } from "../../src/uci/model.ts";

/** Whatever is guilty cuts the device off, alone or with others. */
function trials(guilty: readonly number[]) {
  const asked: (readonly number[])[] = [];
  return {
    asked,
    works: async (left: readonly number[]) => {
      asked.push(left);
      return guilty.every((part) => left.includes(part));
    },
  };
}

const someParts = fc.integer({ min: 2, max: 9 }).chain((count) =>
  fc.record({
    parts: fc.constant(Array.from({ length: count }, (_, i) => i)),
    guilty: fc.subarray(
      Array.from({ length: count }, (_, i) => i),
      { minLength: 1, maxLength: count },
    ),
  }),
);

describe("the search for what has to stay out", () => {
  test("leaves out exactly the guilty, if it has trials enough and anything is left", async () => {
    await fc.assert(
      fc.asyncProperty(someParts, async ({ parts, guilty }) => {
        const { works } = trials(guilty);
        const left = await leastToLeaveOut(parts, 100, works);
        if (left === undefined) expect(guilty).toHaveLength(parts.length);
        else expect([...left].sort()).toEqual([...guilty].sort());
      }),
    );
  });

  test("never calls a part harmless that harms, never tries more often than it may, never the whole nor nothing", async () => {
    await fc.assert(
      fc.asyncProperty(someParts, fc.integer({ min: 1, max: 5 }), async ({ parts, guilty }, tries) => {
        const { asked, works } = trials(guilty);
        const left = await leastToLeaveOut(parts, tries, works);
        expect(asked.length).toBeLessThanOrEqual(tries);
        for (const one of asked) {
          expect(one.length).toBeGreaterThan(0);
          expect(one.length).toBeLessThan(parts.length);
        }
        if (left !== undefined) for (const part of guilty) expect(left).toContain(part);
        // What it says is what the device is in: the last trial that worked.
        const good = asked.findLast((one) => guilty.every((part) => one.includes(part)));
        expect(left).toEqual(good);
      }),
    );
  });

  test("needs one trial where the likeliest is the one", async () => {
    const { asked, works } = trials([0]);
    expect(await leastToLeaveOut([0, 1, 2, 3], 4, works)).toEqual([0]);
    expect(asked).toEqual([[0]]);
  });

  test("has nothing to try in a plan of one part", async () => {
    const { asked, works } = trials([0]);
    expect(await leastToLeaveOut([0], 4, works)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});

function changed(
  name: string,
  section: string,
  options: Record<string, string>,
  before?: Record<string, string>,
): PackagePlan {
  const pkg = (values: Record<string, string>) => ({ name, sections: [makeSection("thing", section, values)] });
  const was = before === undefined ? { name, sections: [] } : pkg(before);
  return { name, diff: diffPackages(was, pkg(options)), origins: {} };
}

const aFile = (path: string, module: string) => ({ path, act: "new" as const, origin: { module } });

describe("the parts of a plan", () => {
  test("are the network as a whole, the other packages one by one, and the files of a module", () => {
    expect(["network", "firewall", "wireless", "dhcp", "mwan3"].map(partOfPackage)).toEqual(Array(5).fill("network"));
    expect(partOfPackage("system")).toBe("uci system");
    expect(partOfPath("/etc/asterisk/sip.conf", "overlay")).toBe("files overlay");
    for (const path of ["/etc/nftables.d/10-x.nft", "/etc/firewall.user", "/etc/hotplug.d/iface/50-x", "/etc/hosts"])
      expect(partOfPath(path, "overlay")).toBe("network");
    for (const path of ["/etc/hosts.allow", "/srv/etc/hosts", "/etc/nftables.data"])
      expect(partOfPath(path, "overlay")).toBe("files overlay");
  });

  test("come with the likeliest to cut a device off first", () => {
    const plan = {
      packages: [changed("system", "a", { b: "1" }), changed("dhcp", "a", { b: "1" })],
      files: [aFile("/etc/banner", "overlay"), aFile("/etc/hosts", "overlay"), aFile("/etc/rc.d/S95crond", "services")],
      services: [{ name: "dnsmasq" }, { name: "crond" }],
    };
    expect(partsOf(plan)).toEqual(["network", "files overlay", "services", "uci system"]);
  });

  test("take along what names a section that only they add, and what names a section of that", () => {
    const plan = {
      packages: [
        changed("network", "phones", { proto: "static" }),
        changed("monitor", "watch", { interface: "lan phones" }),
        changed("alarm", "bell", { of: "watch" }),
        changed("system", "box", { hostname: "phones-1" }),
      ],
      files: [],
      services: [],
    };
    expect(withDependents(["network"], plan)).toEqual(["network", "uci monitor", "uci alarm"]);
    expect(withDependents(["uci system"], plan)).toEqual(["uci system"]);
  });

  test("do not take along what names a section that was there before", () => {
    const plan = {
      packages: [
        changed("network", "lan", { proto: "static" }, { proto: "dhcp" }),
        changed("monitor", "watch", { interface: "lan" }),
      ],
      files: [],
      services: [],
    };
    expect(withDependents(["network"], plan)).toEqual(["network"]);
  });

  test("are remembered with the names of what they hold, some of them", () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`o${i}`, "1"]));
    const plan = { packages: [changed("network", "lan", many)], files: [aFile("/etc/hosts", "overlay")], services: [] };
    const [left] = leftParts(["network"], plan);
    expect(left?.part).toBe("network");
    expect(left?.names).toHaveLength(40);
    expect(left?.names[0]).toBe("network.lan.o0");
    expect(left?.more).toBe(11);
  });
});
