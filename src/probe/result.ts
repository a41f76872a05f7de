/** What came of one call, as the collector gets it and as it is shown here. */
import type { ProbeConfig } from "../api.ts";
import { delayOf, mosOf, PACKET, rating } from "./e-model.ts";
import type { Plan } from "./plan.ts";
import type { Counted } from "./rtcp.ts";

/**
 * `measured`: there are numbers. `uncounted`: the call was made, and Asterisk says nothing of it. `failed`: the partner did not answer. `lost`: Asterisk never said what became of it.
 * `interrupted`: the probe was ended before it called.
 */
export type CallState = "measured" | "uncounted" | "failed" | "lost" | "interrupted";

export interface CallResult {
  readonly version: 1;
  /** When the round began, in seconds since 1970; with the partner's id it names the call. */
  readonly round: number;
  readonly partner: string;
  readonly state: CallState;
  readonly codec: Plan["codec"];
  readonly sample: { readonly name: string; readonly sha256: string };
  readonly measured?: Measured;
  /** Of the recording, which comes by itself. */
  readonly recording?: { readonly sha256: string; readonly bytes: number };
}

/** From the partner to us, but for `remote`. Times in milliseconds, loss as a share. */
export interface Measured {
  readonly expected: number;
  readonly received: number;
  readonly loss: number;
  readonly jitter?: number;
  readonly rtt?: number;
  /** What the partner reported of the other direction; late by up to 5 s. */
  readonly remote: { readonly sent: number; readonly lost?: number; readonly jitter?: number };
  readonly rating: number;
  readonly mos: number;
  readonly method: string;
}

/** Packets that a partner sends: the sound, one for each 20 ms of it. */
export function packetsOf(samples: number): number {
  return Math.ceil(samples / ((PACKET * 8000) / 1000));
}

/** Numbers of a call of which `expected` packets were to come. */
export function measure(counted: Counted, expected: number, { conceals }: Pick<ProbeConfig, "conceals">): Measured {
  const loss = expected === 0 ? 0 : Math.max(0, expected - counted.received) / expected;
  const codec = conceals ? "G.711 with concealment" : "G.711";
  const r = rating({ delay: delayOf(counted), loss, codec });
  return {
    expected,
    received: counted.received,
    loss: rounded(loss, 4),
    ...told("jitter", counted.jitter),
    ...told("rtt", counted.rtt),
    remote: { sent: counted.sent, ...told("lost", counted.remoteLost), ...told("jitter", counted.remoteJitter) },
    rating: rounded(r, 2),
    // The model knows of no call in which nothing was heard.
    mos: counted.received === 0 ? 1 : rounded(mosOf(r), 2),
    method: `E-model (ITU-T G.107), ${codec}`,
  };
}

/** Nothing of what is not known. */
function told<K extends string>(name: K, value: number | undefined): { readonly [N in K]?: number } {
  return value === undefined ? {} : ({ [name]: rounded(value, 3) } as { readonly [N in K]: number });
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
