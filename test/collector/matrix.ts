/** The matrix of links: for each pair and direction what the last round said, by the probe and by the recording, and how many rounds came. */
import { readFileSync } from "node:fs";
import type { CallResult } from "../../src/probe/result.ts";
import { readWav } from "../../src/probe/wav.ts";
import { BUILTIN_LABEL, hear, score, scoreBy } from "./score.ts";
import type { Kept, Store } from "./store.ts";

export interface MatrixLink {
  readonly from: string;
  readonly to: string;
  readonly round: number;
  readonly state: CallResult["state"];
  /** Rounds that came, and how many of them have numbers. */
  readonly rounds: number;
  readonly measured: number;
  readonly device?: { readonly mos: number; readonly loss: number; readonly jitter?: number; readonly rtt?: number };
  readonly wav?: {
    readonly label: string;
    readonly mos: number;
    readonly loss: number;
    readonly burst: number;
    readonly level: number;
  };
}

export interface Matrix {
  readonly generated: string;
  readonly probes: readonly { readonly id: string; readonly label: string }[];
  readonly links: readonly MatrixLink[];
}

export interface Judging {
  /** File and samples of the sound that all calls play. */
  readonly sound: { readonly path: string; readonly samples: Int16Array };
  readonly conceals: boolean;
  /** Somebody else's program, as words; the built-in judges where it says nothing. */
  readonly scorer?: readonly string[];
}

export async function makeMatrix(store: Store, judging: Judging): Promise<Matrix> {
  const byLink = new Map<string, Kept[]>();
  for (const kept of store.results()) {
    const name = `${kept.result.partner} ${kept.probe}`;
    byLink.set(name, [...(byLink.get(name) ?? []), kept]);
  }
  const links = [...byLink.values()].map((all) => linkOf(all, judging));
  return {
    generated: new Date().toISOString(),
    probes: store.probes().map(({ id, label }) => ({ id, label })),
    links: await Promise.all(links),
  };
}

async function linkOf(all: readonly Kept[], judging: Judging): Promise<MatrixLink> {
  const last = all.at(-1);
  if (last === undefined) throw new Error("a link without a round");
  const { measured } = last.result;
  const wav = last.recording === undefined ? undefined : await judge(last.recording, last.result, judging);
  return {
    from: last.result.partner,
    to: last.probe,
    round: last.result.round,
    state: last.result.state,
    rounds: all.length,
    measured: all.filter(({ result }) => result.state === "measured").length,
    ...(measured === undefined
      ? {}
      : {
          device: {
            mos: measured.mos,
            loss: measured.loss,
            ...(measured.jitter === undefined ? {} : { jitter: measured.jitter }),
            ...(measured.rtt === undefined ? {} : { rtt: measured.rtt }),
          },
        }),
    ...(wav === undefined ? {} : { wav }),
  };
}

async function judge(path: string, { measured }: CallResult, judging: Judging): Promise<MatrixLink["wav"]> {
  const wav = readWav(readFileSync(path), { seconds: 75 });
  if ("fault" in wav) return undefined;
  const heard = hear(judging.sound.samples, wav.samples);
  const other = judging.scorer && (await scoreBy(judging.scorer, judging.sound.path, path));
  const mos = other ?? score(heard, { rtt: measured?.rtt, jitter: measured?.jitter }, judging.conceals);
  const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
  return {
    label: other === undefined ? BUILTIN_LABEL : "MOS (scorer)",
    mos: rounded(mos, 2),
    loss: rounded(heard.loss, 4),
    burst: rounded(heard.burst, 2),
    level: rounded(heard.level, 1),
  };
}
