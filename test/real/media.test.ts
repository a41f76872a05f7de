/** A border controller whose phones and gateways cannot reach each other: Kamailio and rtpengine carry calls and what is said in them (Debian packages `rtpengine-daemon`, `nftables`; more in telephony.test.ts). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Host, logOf, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { answers, call, register, type SipPhone, speak } from "./setup-sip.ts";
import { type Rendered, type Running, rendered, rootOf, startKamailio } from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("kamailio", "rtpengine", "sipp", "nft", "mmdebstrap", "chroot");
if (missing && !isRequired) console.warn(`skipped: media through a border controller (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const INSIDE = { sbc: "10.77.0.1", phone: "10.77.0.2" } as const;
const OUTSIDE = { sbc: "192.0.2.50", gateway: "192.0.2.1" } as const;
const NETWORK = `
config interface 'lan'
	option proto 'static'
	option device 'to'
	option ipaddr '${INSIDE.sbc}'
	option netmask '255.255.255.0'

config interface 'wan'
	option proto 'dhcp'
	option device 'eth0'
`;
const BORDER = `
config pbx 'pbx'
	option enabled '1'
	option role 'proxy'
	option media 'relay'
	list interface 'lan'
	list interface 'wan'
	option domain 'sbc.example'
	option country_code '420'
	option area_code '596321'
	option rtp_start '20000'
	option rtp_end '20100'

config extension
	option number '101'
	option secret 'one'

config extension
	option number '102'
	option secret 'two'

config gateway
	option id 'dead'
	option host '${OUTSIDE.gateway}'
	option port '5999'
	option qualify '0'

config gateway
	option id 'far'
	option host '${OUTSIDE.gateway}'
	option port '5070'

config route
	option prefix '+420'
	list gateway 'far'

config route
	option prefix '+1'
	list gateway 'dead'
	list gateway 'far'
`;
const PHONE: SipPhone = {
  user: "101",
  password: "one",
  address: INSIDE.phone,
  port: 6101,
  exchange: INSIDE.sbc,
  domain: "sbc.example",
};
const OTHER: SipPhone = { ...PHONE, user: "102", password: "two", port: 6102 };

const GATEWAY: SipPhone = { ...PHONE, address: OUTSIDE.gateway, port: 6300, exchange: OUTSIDE.sbc };

real("media through a border controller", () => {
  let net: TwoHosts;
  let phones: Host;
  let files: Rendered["files"];
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    await rootOf("trixie", "kamailio");
    const made = await rendered(BORDER, undefined, NETWORK);
    expect(made.findings).toEqual([]);
    files = made.files;
    net = twoHosts();
    phones = net.beside(net.dev, { there: INSIDE.sbc, here: INSIDE.phone });
    for (const host of [phones, net.prov]) await counting(host);
    answers(net.prov, { address: OUTSIDE.gateway, port: 5070 }, { echoes: true });
    await net.prov.listens("udp", 5070);
  }, 180_000);
  afterAll(() => net?.close());

  const relaying = async () => {
    const file = net.dev.file("rtpengine.conf", files.get("/etc/rtpengine/rtpengine.conf") ?? "");
    const child = net.dev.start("rtpengine", [
      `--config-file=${file}`,
      "--config-section=rtpengine",
      "--log-stderr",
      "-f",
    ]);
    await net.dev.listens("udp", 2223);
    return child;
  };
  const both = ["-l", `udp:${OUTSIDE.sbc}:5060`];

  test.each(["system", "trixie"] as const)(
    "Kamailio of %s: what is said arrives on both sides",
    async (release) => {
      const running: Running[] = [];
      const relay = await relaying();
      try {
        running.push(await startKamailio(release, files, net.dev, INSIDE.sbc, both));
        for (const phone of [PHONE, OTHER]) expect(await register(phones, phone)).toMatchObject({ status: 0 });
        const talks = async (number: string, host = phones, phone = PHONE, login: 407 | "unasked" = 407) => {
          const before = await Promise.all([counted(phones), counted(net.prov)]);
          const { status, stdout, stderr } = await speak(host, phone, number, login, 2);
          expect(
            status,
            `${number}: ${stderr.slice(-1500)} ${stdout.slice(-1000)} ${running[0]?.log()} ${logOf(net.folder, "rtpengine")}`,
          ).toBe(0);
          const after = await Promise.all([counted(phones), counted(net.prov)]);
          return after.map((one, at) => one - (before[at] ?? 0));
        };
        // 100 packets are sent; both sides hear what comes from the controller alone, since there is no other way.
        for (const number of ["+420777200201", "+12125550100"]) {
          const [heard = 0, said = 0] = await talks(number);
          expect(said, number).toBeGreaterThan(80);
          expect(heard, number).toBeGreaterThan(80);
        }
        const echo = answers(phones, OTHER, { echoes: true });
        await phones.listens("udp", OTHER.port);
        // Two phones in the house share a host here: there and back again.
        expect((await talks("102"))[0]).toBeGreaterThan(160);
        const [asked = 0, answered = 0] = await talks("102", net.prov, GATEWAY, "unasked");
        expect(asked).toBeGreaterThan(80);
        expect(answered).toBeGreaterThan(80);
        echo.kill();
        // Ports of calls that ended are free again.
        await expect
          .poll(async () => (await net.dev.run("ss", ["-Huln", "sport >= :20000 and sport <= :20100"])).stdout, {
            timeout: 30_000,
            interval: 500,
          })
          .toBe("");
        // Without the relay nobody would hear anybody: that is no call.
        relay.kill();
        expect(await call(phones, PHONE, "+420777200201", 407, 503)).toMatchObject({ status: 0 });
      } finally {
        relay.kill();
        for (const one of running) await one.close();
      }
    },
    60_000,
  );
});

/** Counts media that comes from the controller to a host. */
async function counting(host: Host): Promise<void> {
  const rules = `table inet heard { chain input { type filter hook input priority 0; udp sport 20000-20100 counter; }; }`;
  const { status, stderr } = await host.run("nft", ["-f", host.file("heard.nft", rules)]);
  expect(status, stderr).toBe(0);
}

async function counted(host: Host): Promise<number> {
  const { stdout } = await host.run("nft", ["list", "table", "inet", "heard"]);
  return Number(/counter packets ([0-9]+)/.exec(stdout)?.[1]);
}
