import { describe, expect, test } from "vitest";
import { type EvidenceKind, ProvisionError, type Resolver, template } from "../../src/api.ts";
import { askAll, getUri } from "../../src/stages/geturi.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

type Says = "nothing" | "late" | "hangs" | "off" | ProvisionError | `https://${string}`;

/** A resolver that says one thing, after `ms`. */
function resolver(name: string, says: Says, more: { evidence?: EvidenceKind; ms?: number } = {}): Resolver {
  const evidence = more.evidence ?? "none";
  return {
    name,
    evidence,
    deadline: 80,
    isEnabled: () => says !== "off",
    async resolve() {
      await new Promise((done) => setTimeout(done, says === "hangs" ? 10_000 : (more.ms ?? 0)).unref());
      if (says instanceof ProvisionError) throw says;
      if (says === "nothing" || says === "late" || says === "hangs" || says === "off") return undefined;
      return { uri: template(says), evidence };
    },
  };
}

const silent = new ProvisionError("DNS_TIMEOUT", "nobody answered");
const bogus = new ProvisionError("DNSSEC_BOGUS", "forged");

async function base(resolvers: readonly Resolver[], offered?: string): Promise<string> {
  const device = aDevice({ resolver: resolvers.map(({ name }) => name) });
  const source = await getUri(aRunContext(), device, resolvers, offered === undefined ? undefined : template(offered));
  return `${source.resolver} ${source.base.text}`;
}

describe("who wins", () => {
  test("the first in order that knows, however slow it is", async () => {
    const slow = resolver("slow", "https://slow.example/", { ms: 40 });
    const fast = resolver("fast", "https://fast.example/");
    expect(await base([slow, fast])).toBe("slow https://slow.example");
    expect(await base([fast, slow])).toBe("fast https://fast.example");
  });

  test("the settings' order counts, not the registry's", async () => {
    const [a, b] = [resolver("a", "https://a.example/x"), resolver("b", "https://b.example/x")];
    const source = await getUri(aRunContext(), aDevice({ resolver: ["b", "a"] }), [a, b], undefined);
    expect(source.resolver).toBe("b");
  });

  test("nobody is waited for once it is decided", async () => {
    const resolvers = [resolver("a", "https://a.example/"), resolver("b", "hangs")];
    const source = await getUri(aRunContext(), aDevice({ resolver: ["a", "b"] }), resolvers, undefined);
    // Had anybody waited, b would have run into its deadline.
    expect(source.answers.map(({ said }) => said)).toEqual(["source", "unasked"]);
  });

  test("one that is off or knows nothing is passed over", async () => {
    expect(await base([resolver("a", "off"), resolver("b", "nothing"), resolver("c", "https://c.example/")])).toBe(
      "c https://c.example",
    );
  });

  test("a hook's offer stands right behind static", async () => {
    const set = resolver("static", "https://static.example/", { evidence: "local" });
    const dns = resolver("dns", "https://dns.example/");
    expect(await base([set, dns], "https://hook.example/")).toBe("static https://static.example");
    expect(await base([resolver("static", "off"), dns], "https://hook.example/")).toBe("hook https://hook.example");
  });
});

describe("who should know and could not find out", () => {
  test("blocks those that could prove no more", async () => {
    await expect(base([resolver("dns", silent), resolver("dhcp", "https://evil.example/")])).rejects.toBe(silent);
  });

  test("does not block one that proves more", async () => {
    const proven = resolver("dnssec", "https://ours.example/", { evidence: "dnssec" });
    expect(await base([resolver("dns", silent), proven])).toBe("dnssec https://ours.example");
  });

  test("counts as that when its deadline passes", async () => {
    const answer = base([resolver("dns", "hangs"), resolver("dhcp", "https://evil.example/")]);
    await expect(answer).rejects.toMatchObject({ code: "DNS_TIMEOUT" });
  });

  test("a forged answer stops the run, whoever else knows", async () => {
    const proven = resolver("https", "https://ours.example/", { evidence: "tls" });
    await expect(base([resolver("dnssec", bogus, { evidence: "dnssec" }), proven])).rejects.toBe(bogus);
    await expect(base([resolver("dns", bogus), proven])).rejects.toBe(bogus);
  });
});

test("nobody knows: NO_URI says who was asked", async () => {
  const asked = base([resolver("a", "nothing"), resolver("b", "off"), resolver("c", "nothing")]);
  await expect(asked).rejects.toMatchObject({ code: "NO_URI", message: expect.stringContaining("a, c") });
});

test("explain hears everybody, and says who blocked whom", async () => {
  const resolvers = [resolver("dns", silent), resolver("dhcp", "https://d.example/"), resolver("lldp", "nothing")];
  const device = aDevice({ resolver: resolvers.map(({ name }) => name) });
  const { answers, chosen } = await askAll(aRunContext(), device, resolvers, undefined);
  expect(chosen).toBeUndefined();
  expect(answers.map(({ resolver, said, blockedBy }) => [resolver, said, blockedBy])).toEqual([
    ["dns", "error", undefined],
    ["dhcp", "source", "dns"],
    ["lldp", "nothing", "dns"],
  ]);
});

test("macros that come with an answer never replace the device's own, and are tainted unless proven", async () => {
  const teacher = (evidence: EvidenceKind): Resolver => ({
    ...resolver("t", "https://t.example/", { evidence }),
    resolve: async () => ({
      uri: template("https://t.example/{txt_site}"),
      evidence,
      macros: { mac: "evil", txt_site: "s" },
    }),
  });
  const device = aDevice({ resolver: ["t"], macros: { mac: "020000000001" } });
  const unproven = await getUri(aRunContext(), device, [teacher("none")], undefined);
  expect(unproven.macros.get("mac")?.value).toBe("020000000001");
  expect(unproven.macros.get("txt_site")).toMatchObject({ value: "s", isTainted: true });
  expect(unproven.base).toMatchObject({ text: "https://t.example/s", isTainted: true });
  const proven = await getUri(aRunContext(), device, [teacher("dnssec")], undefined);
  expect(proven.base.isTainted).toBe(false);
});

test("a run that is asked to stop stops here, too", async () => {
  const stop = new AbortController();
  const asked = getUri(
    aRunContext({ signal: stop.signal }),
    aDevice({ resolver: ["a"] }),
    [resolver("a", "hangs")],
    undefined,
  );
  stop.abort();
  await expect(asked).rejects.toBeDefined();
});
