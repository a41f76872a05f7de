/** Runs the validated TXT look-up inside a network namespace: questions as JSON on stdin, verdicts as JSON on stdout. */
import { readFileSync } from "node:fs";
import { ProvisionError } from "../../src/errors.ts";
import { openDns } from "../../src/host/dns.ts";

export interface AskSecure {
  readonly names: readonly string[];
  readonly server: string;
  readonly anchors: readonly string[];
  readonly now: number;
}

/** Name → kind of answer, or the code of the error. */
export type Verdicts = Readonly<Record<string, string>>;

const { names, server, anchors, now } = JSON.parse(readFileSync(0, "utf8")) as AskSecure;
const dns = openDns({ log: () => {} });
const signal = new AbortController().signal;
const verdicts: Record<string, string> = {};
for (const name of names) {
  try {
    verdicts[name] = (
      await dns.secureTxt(name, { servers: [server], port: 53, deadline: 8000, signal, anchors, now })
    ).kind;
  } catch (thrown) {
    verdicts[name] = thrown instanceof ProvisionError ? thrown.code : String(thrown);
  }
}
console.log(JSON.stringify(verdicts));
