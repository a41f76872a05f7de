/** What Asterisk counted in a call: `CHANNEL(rtcp,all)`, as the dial plan writes it when the call ends. */

export interface Counted {
  /** RTP packets that came, and that went. */
  readonly received: number;
  readonly sent: number;
  /** Milliseconds; of what came. On a busy machine Asterisk's times can be impossible ones, and then are not known. */
  readonly jitter: number | undefined;
  /** Milliseconds there and back; not known in a call that is too short for a report (5 s). */
  readonly rtt: number | undefined;
  /** What the other side reported as lost of what went to it; late by up to one report. */
  readonly remoteLost: number | undefined;
  readonly remoteJitter: number | undefined;
}

const LONGEST = 2048;
/** More than any call of ours has, or any network shows. */
const MOST_PACKETS = 1_000_000;
const MOST_SECONDS = 60;

/** Undefined for anything without counts of packets that can be. `KEY=VALUE` with `;` between; others' keys are passed over. */
export function parseCounted(line: string): Counted | undefined {
  if (line.length > LONGEST) return undefined;
  const fields = new Map<string, string>();
  for (const part of line.trim().split(";")) {
    const [, key = "", value = ""] = /^([a-z]{1,16})=([0-9]{1,12}(?:\.[0-9]{1,12})?)$/.exec(part) ?? [];
    if (key !== "" && !fields.has(key)) fields.set(key, value);
  }
  const count = (key: string) => within(fields.get(key), MOST_PACKETS, true);
  const time = (key: string) => within(fields.get(key), MOST_SECONDS, false);
  const [received, sent, remoteLost] = ["rxcount", "txcount", "rlp"].map(count);
  const [jitter, remoteJitter, rtt] = ["rxjitter", "txjitter", "rtt"].map(time);
  if (received === undefined || sent === undefined) return undefined;
  return {
    received,
    sent,
    jitter: inMilliseconds(jitter),
    rtt: rtt === 0 ? undefined : inMilliseconds(rtt),
    remoteLost,
    remoteJitter: inMilliseconds(remoteJitter),
  };
}

function inMilliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

function within(text: string | undefined, most: number, isWhole: boolean): number | undefined {
  const value = text === undefined ? Number.NaN : Number(text);
  return value >= 0 && value <= most && (!isWhole || Number.isInteger(value)) ? value : undefined;
}
