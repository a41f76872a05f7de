/** A honeypot's Kamailio, and who comes to it (Debian packages `kamailio`, `sip-tester`, `mmdebstrap`). */
import { beforeAll, describe, expect, test } from "vitest";
import { twoHosts, whyNoHosts } from "./netns.ts";
import { call, register, type SipPhone } from "./setup-sip.ts";
import { checkKamailio, type Rendered, rendered, rootOf, startKamailio } from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("kamailio", "sipp", "mmdebstrap", "chroot");
if (missing && !isRequired) console.warn(`skipped: the honeypot (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const TRAP = `
config pbx 'pbx'
	option enabled '1'
	option role 'trap'
	option domain 'pbx.example'
`;
const VISITOR: SipPhone = {
  user: "100",
  password: "100",
  address: "192.0.2.1",
  port: 6100,
  exchange: "192.0.2.50",
  domain: "pbx.example",
};

real("a honeypot", () => {
  let files: Rendered["files"];
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    await rootOf("trixie", "kamailio");
    const made = await rendered(TRAP);
    expect(made.findings).toEqual([]);
    files = made.files;
  }, 180_000);

  test.each(["system", "trixie"] as const)(
    "Kamailio of %s asks everybody for a password, believes none, and says once who came",
    async (release) => {
      expect(await checkKamailio(release, files)).toMatchObject({
        status: 0,
        said: expect.not.stringMatching(/\b(?:ERROR|CRITICAL|WARNING)\b/),
      });
      const net = twoHosts();
      const kamailio = await startKamailio(release, files, net.dev, VISITOR.exchange);
      try {
        // The scenario asks for 401, then for 200 with the password: it gets the first and not the second.
        for (let tries = 0; tries < 3; tries++) {
          const { status, stdout, stderr } = await register(net.prov, VISITOR);
          expect(status).toBe(1);
          expect(stdout + stderr).toMatch(/while expecting '200'.* received 'SIP\/2\.0 401 /s);
        }
        // Asked for a password, and with one asked for it again.
        expect(await call(net.prov, VISITOR, "00442071234567", 407, 407)).toMatchObject({ status: 0 });
        // The probe is the BYE with which SIPp takes its leave.
        const reasons = () =>
          [...kamailio.log().matchAll(/ban src=192\.0\.2\.1 reason=([a-z-]+)\n/g)].map(([, one]) => one);
        await expect
          .poll(() => reasons().toSorted(), { timeout: 60_000 })
          .toEqual(["trap-call", "trap-password", "trap-probe", "trap-register"]);
        expect(kamailio.log()).not.toMatch(/\b(?:ERROR|CRITICAL)\b/);
      } finally {
        await kamailio.close();
        await net.close();
      }
    },
    180_000,
  );
});
