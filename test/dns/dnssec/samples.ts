import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Message, parseMessage, type Question, query } from "../../../src/dns/message.ts";
import { formatName } from "../../../src/dns/name.ts";
import { TYPE } from "../../../src/dns/types.ts";

interface Sample {
  readonly role: "auth" | "validator";
  readonly name: string;
  readonly type: string;
  readonly do: boolean;
  readonly tc: boolean;
  readonly response: string;
}

/** From the project's root, where vitest and npm run: the fuzzing bundle lies elsewhere than this file. */
const folder = "fixtures/answers/dnssec";
const samples = JSON.parse(readFileSync(join(folder, "responses.json"), "utf8")) as Sample[];
const NUMBERS: Readonly<Record<string, number>> = { TXT: 16, DS: 43, DNSKEY: 48, SOA: 6 };

/** The trust anchor of `example.`, as dnssec-signzone wrote it. */
export const ANCHOR = readFileSync(join(folder, "anchor.ds"), "utf8").trim();

/** When the good signatures are valid, those of `expired` no more and those of `future` not yet. */
export const NOW = Date.UTC(2026, 5, 1) / 1000;

/** What bind, which serves these zones itself, answered; wire bytes by `TYPE-NUMBER name`. */
export const RECORDED: ReadonlyMap<string, Uint8Array> = new Map(
  samples
    .filter((sample) => sample.role === "auth" && sample.do && !sample.tc)
    .map((sample) => [
      `${NUMBERS[sample.type]} ${sample.name.replace(/\.$/, "")}`,
      Buffer.from(sample.response, "hex"),
    ]),
);

/** Asks the recording; `change` may do to an answer what somebody on the path would. A question nobody recorded fails the test. */
export function recorded(change: (message: Message, key: string) => Message = (message) => message) {
  const asked: string[] = [];
  return {
    asked,
    async ask({ name, type }: Question): Promise<Message> {
      const key = `${type} ${formatName(name).toLowerCase()}`;
      asked.push(key);
      const bytes = RECORDED.get(key);
      if (!bytes && type !== TYPE.DS) throw new Error(`${key} is not recorded`);
      // A server that gives neither a DS nor a proof that there is none.
      if (!bytes) return change({ ...query({ name, type }, { id: 0 }), isResponse: true }, key);
      return change(parseMessage(bytes), key);
    },
  };
}
