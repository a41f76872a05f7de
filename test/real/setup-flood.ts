/** Many logins, by SIPp: of attackers, and of phones that are only many. */
import { readdirSync, readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { Host } from "./netns.ts";

export interface Logins {
  /** Where they come from, and where they go. */
  readonly from: string;
  readonly port: number;
  readonly to: string;
  readonly domain: string;
  /** Numbers that log in, one after the other, and their password. */
  readonly numbers: readonly string[];
  readonly password: string;
  /** Logins a second, and in all. */
  readonly rate: number;
  readonly total: number;
  /** `right`: 401, then 200. `wrong`: 401 both times. `old`: answers a question that was never put, and gets 401. */
  readonly kind?: "right" | "wrong" | "old";
  /** Whether what gets no answer is sent again, as phones do it. */
  readonly repeats?: boolean;
  /** Milliseconds until a login without an answer has failed; seconds for all. */
  readonly patience?: number;
  readonly seconds?: number;
}

export interface Counted {
  readonly served: number;
  readonly failed: number;
}

/** Runs all of them and says how many had the answer of their kind. */
export async function logIn(host: Host, logins: Logins): Promise<Counted> {
  const { from, port, to, domain, numbers, password, rate, total } = logins;
  const { kind = "right", repeats = false, patience = 3000, seconds = 30 } = logins;
  const name = `logins-${port}-${kind}-${Date.now()}`;
  const users = numbers.map((number) => `${number};[authentication username=${number} password=${password}]`);
  const csv = host.file(`${name}.csv`, `SEQUENTIAL\n${users.join("\n")}\n`);
  const scenario = host.file(`${name}.xml`, SCENARIOS[kind].replaceAll("DOMAIN", domain));
  const stat = host.file(`${name}.stat`, "");
  const args = [`${isIPv6(to) ? `[${to}]` : to}:5060`, "-i", from, "-p", String(port), "-sf", scenario, "-inf", csv];
  const bounds = ["-r", String(rate), "-m", String(total), "-l", "20000", "-recv_timeout", String(patience)];
  const ended = await host.run(
    "sipp",
    [
      ...args,
      ...bounds,
      ...(repeats ? [] : ["-nr"]),
      "-timeout",
      `${seconds}s`,
      "-nostdin",
      "-trace_stat",
      "-stf",
      stat,
      "-fd",
      "1",
    ],
    { seconds: seconds + 20 },
  );
  const [head = "", ...lines] = readFileSync(stat, "utf8").trim().split("\n");
  const last = lines.at(-1)?.split(";") ?? [];
  const count = (column: string): number => Number(last[head.split(";").indexOf(column)]);
  const counted = { served: count("SuccessfulCall(C)"), failed: count("FailedCall(C)") };
  if (Number.isInteger(counted.served)) return counted;
  throw new Error(`sipp has counted nothing: ${ended.stderr}${ended.stdout.slice(-2000)}`);
}

/** Seconds of processor time that a process and its children have used. */
export function cpuSeconds(pid: number | undefined): number {
  let ticks = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      // After the name in parentheses: state, parent, …; utime and stime are the 12th and 13th. proc(5)
      const fields = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(name) === pid || Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended in between.
    }
  }
  return ticks / 100;
}

const HEAD = `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE scenario SYSTEM "sipp.dtd">`;

const registering = (cseq: number, credentials: string) => `<send retrans="500"><![CDATA[
      REGISTER sip:DOMAIN SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:[field0]@DOMAIN>;tag=[call_number]
      To: <sip:[field0]@DOMAIN>
      Call-ID: [call_id]
      CSeq: ${cseq} REGISTER
      Contact: <sip:[field0]@[local_ip]:[local_port]>
      Max-Forwards: 70
      Expires: 300
      ${credentials}
      Content-Length: 0

    ]]></send>`;

const OLD = `Authorization: Digest username="[field0]", realm="DOMAIN", nonce="aPbCd2j2wqGaaaaaaaaaaaaaaaaaaaaa", uri="sip:DOMAIN", response="00000000000000000000000000000000"`;

const challenged = (answer: number) => `${HEAD}<scenario name="logins">
  ${registering(1, "Subject: login")}
  <recv response="401" auth="true"/>
  ${registering(2, "[field1]")}
  <recv response="${answer}"/>
</scenario>`;

const SCENARIOS = {
  right: challenged(200),
  wrong: challenged(401),
  old: `${HEAD}<scenario name="old">
  ${registering(1, OLD)}
  <recv response="401"/>
</scenario>`,
} as const;
