/** Phones that log in and call, by SIPp. */
import type { Ended, Host } from "./netns.ts";

export interface SipPhone {
  readonly user: string;
  readonly password: string;
  /** Where it is, and where its exchange is. */
  readonly address: string;
  readonly port: number;
  readonly exchange: string;
  readonly domain: string;
}

/** Logs in once; SIPp's exit status is 0 if the exchange said 200. */
export function register(host: Host, phone: SipPhone): Promise<Ended> {
  return sipp(host, phone, "register", REGISTER, []);
}

/** Calls a number, expects it to be answered, and hangs up; or expects this status instead. `login` is what INVITE is answered with first. */
export function call(host: Host, phone: SipPhone, number: string, login: 401 | 407, expect = 200): Promise<Ended> {
  const scenario = (expect === 200 ? ANSWERED : REFUSED)
    .replaceAll("LOGIN", String(login))
    .replaceAll("EXPECT", String(expect));
  return sipp(host, phone, `call-${number.replace("+", "p")}`, scenario, ["-s", number]);
}

/** Calls a number and speaks for this long: PCMA, a packet each 20 ms. A gateway is not asked to log in. */
export function speak(
  host: Host,
  phone: SipPhone,
  number: string,
  login: 401 | 407 | "unasked",
  seconds: number,
): Promise<Ended> {
  const sound = host.file("sound.alaw", "\x55".repeat(8000 * seconds));
  const scenario = (login === "unasked" ? UNASKED : ANSWERED)
    .replaceAll("LOGIN", String(login))
    .replaceAll("m=audio 6000", "m=audio [rtpstream_audio_port]")
    .replace(
      PAUSE,
      `<nop><action><exec rtp_stream="${sound},1,8"/></action></nop><pause milliseconds="${seconds * 1000}"/>`,
    );
  return sipp(host, phone, `speak-${number.replace("+", "p")}`, scenario, ["-s", number]);
}

/** Answers every call on the phone's port until it is stopped; media that comes to port 6000 goes back where it came from if it `echoes`. */
export function answers(host: Host, { address, port }: Pick<SipPhone, "address" | "port">, { echoes = false } = {}) {
  const file = host.file(`answers-${port}.xml`, ANSWERING.replaceAll("MEDIA", SDP));
  const media = echoes ? ["-mi", address, "-mp", "6000", "-rtp_echo"] : [];
  return host.start("sipp", ["-sf", file, "-i", address, "-p", String(port), "-aa", "-nostdin", ...media]);
}

function sipp(host: Host, phone: SipPhone, name: string, scenario: string, more: readonly string[]): Promise<Ended> {
  const text = scenario
    .replaceAll("USER", phone.user)
    .replaceAll("DOMAIN", phone.domain)
    .replaceAll("PASSWORD", xml(phone.password));
  const file = host.file(`${name}-${encodeURIComponent(phone.user)}.xml`, text);
  const args = [
    `${phone.exchange}:5060`,
    "-i",
    phone.address,
    "-p",
    String(phone.port),
    "-sf",
    file,
    "-m",
    "1",
    "-nostdin",
  ];
  return host.run("sipp", [...args, "-recv_timeout", "15000", "-timeout", "25", ...more], { seconds: 40 });
}

function xml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const HEAD = `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE scenario SYSTEM "sipp.dtd">`;
const CREDENTIALS = `[authentication username=USER password=PASSWORD]`;
const SDP = `v=0
      o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio 6000 RTP/AVP 8
      a=rtpmap:8 PCMA/8000`;

const registering = (cseq: number, credentials: string) => `<send retrans="500"><![CDATA[
      REGISTER sip:DOMAIN SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:USER@DOMAIN>;tag=[call_number]
      To: <sip:USER@DOMAIN>
      Call-ID: [call_id]
      CSeq: ${cseq} REGISTER
      Contact: <sip:USER@[local_ip]:[local_port]>
      Max-Forwards: 70
      Expires: 300
      ${credentials}
      Content-Length: 0

    ]]></send>`;

const REGISTER = `${HEAD}<scenario name="register">
  ${registering(1, "Subject: login")}
  <recv response="401" auth="true"/>
  ${registering(2, CREDENTIALS)}
  <recv response="200"/>
</scenario>`;

const inviting = (cseq: number, credentials: string) => `<send retrans="500"><![CDATA[
      INVITE sip:[service]@DOMAIN SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:USER@DOMAIN>;tag=[call_number]
      To: <sip:[service]@DOMAIN>
      Call-ID: [call_id]
      CSeq: ${cseq} INVITE
      Contact: <sip:USER@[local_ip]:[local_port]>
      Max-Forwards: 70
      ${credentials}
      Content-Type: application/sdp
      Content-Length: [len]

      ${SDP}

    ]]></send>`;

const acking = (cseq: number) => `<send><![CDATA[
      ACK sip:[service]@DOMAIN SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-2]
      From: <sip:USER@DOMAIN>;tag=[call_number]
      To: <sip:[service]@DOMAIN>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: ${cseq} ACK
      Max-Forwards: 70
      Content-Length: 0

    ]]></send>`;

const inDialog = (method: string, cseq: number) => `<send${method === "ACK" ? "" : ' retrans="500"'}><![CDATA[
      ${method} [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      [routes]
      From: <sip:USER@DOMAIN>;tag=[call_number]
      To: <sip:[service]@DOMAIN>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: ${cseq} ${method}
      Max-Forwards: 70
      Content-Length: 0

    ]]></send>`;

const RINGING = `
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>`;

const CALLING = `
  ${inviting(1, "Subject: call")}
  <recv response="100" optional="true"/>
  <recv response="LOGIN" auth="true"/>
  ${acking(1)}
  ${inviting(2, CREDENTIALS)}
  ${RINGING}`;

/** How long a call lasts. */
const PAUSE = `<pause milliseconds="300"/>`;

const TALKING = `
  <recv response="200" rrs="true"/>
  ${inDialog("ACK", 2)}
  ${PAUSE}
  ${inDialog("BYE", 3)}
  <recv response="200"/>`;

const ANSWERED = `${HEAD}<scenario name="answered">${CALLING}${TALKING}</scenario>`;
const UNASKED = `${HEAD}<scenario name="unasked">${inviting(2, "Subject: call")}${RINGING}${TALKING}</scenario>`;

const REFUSED = `${HEAD}<scenario name="refused">${CALLING}
  <recv response="EXPECT"/>
  ${acking(2)}
</scenario>`;

/** As a phone does it: Record-Route comes back, so that what follows takes the same way. */
const replying = (status: string, more: string) => `<send${status.startsWith("200") ? ' retrans="500"' : ""}><![CDATA[
      SIP/2.0 ${status}
      [last_Via:]
      [last_Record-Route:]
      [last_From:]
      [last_To:];tag=answer-[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:[local_ip]:[local_port]>
      ${more}

    ]]></send>`;

/** Rings for a moment: two workers of a proxy may swap answers that come at once. */
const ANSWERING = `${HEAD}<scenario name="answering">
  <recv request="INVITE" crlf="true"/>
  ${replying("180 Ringing", "Content-Length: 0")}
  <pause milliseconds="150"/>
  ${replying("200 OK", "Content-Type: application/sdp\n      Content-Length: [len]\n\n      MEDIA")}
  <recv request="ACK" optional="true" crlf="true"/>
  <recv request="BYE"/>
  <send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]></send>
</scenario>`;

/**
 * `node FILE EXCHANGE DOMAIN LOCAL`: logs in as a number that nobody has, with answers made from what Kamailio may take for its digest (RFC 2617 HA1): it reads
 * 32 bytes of its buffer, so that a shorter text is followed by what was there. Prints the status of each answer.
 */
export const FORGED_LOGINS = `
const { createHash } = require("node:crypto");
const { createSocket } = require("node:dgram");
const [, , exchange, domain, local] = process.argv;
const md5 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("md5")).digest("hex");
const socket = createSocket("udp4");
let sent = 0;
const ask = (login) => new Promise((done) => {
  socket.once("message", (answer) => done(String(answer)));
  const lines = [
    "REGISTER sip:" + domain + " SIP/2.0",
    "Via: SIP/2.0/UDP " + local + ":7070;branch=z9hG4bK-forged-" + ++sent,
    "From: <sip:999@" + domain + ">;tag=forged",
    "To: <sip:999@" + domain + ">",
    "Call-ID: forged-" + sent,
    "CSeq: " + sent + " REGISTER",
    "Contact: <sip:999@" + local + ":7070>",
    "Max-Forwards: 70",
    "Expires: 60",
    ...login,
    "Content-Length: 0",
  ];
  socket.send(lines.join("\\r\\n") + "\\r\\n\\r\\n", 5060, exchange);
});
socket.bind(7070, local, async () => {
  const digests = ["-", "-" + "\\0".repeat(31), "-".repeat(32), ""];
  const statuses = [];
  for (const digest of [...digests, ...digests]) {
    const nonce = /nonce="([^"]+)"/.exec(await ask([]))[1];
    const uri = "sip:" + domain;
    const response = md5(digest, ":" + nonce + ":", md5("REGISTER:" + uri));
    const parts = { username: "999", realm: domain, nonce, uri, response };
    const words = Object.entries(parts).map(([name, value]) => name + '="' + value + '"');
    statuses.push((await ask(["Authorization: Digest " + words.join(", ")])).split(" ")[1]);
  }
  console.log(statuses.join(" "));
  process.exit(0);
});
`;
