/** Runs the TXT look-up inside a network namespace: question as JSON on stdin, answer or error as JSON on stdout. */
import { readFileSync } from "node:fs";
import { ProvisionError } from "../../src/errors.ts";
import { openDns } from "../../src/host/dns.ts";

export interface Ask {
  readonly name: string;
  readonly servers: readonly string[];
  readonly deadline: number;
}

export type Told = {
  readonly kind: string;
  readonly name?: string;
  readonly records?: readonly (readonly string[])[];
  readonly log: readonly string[];
};

const { name, servers, deadline } = JSON.parse(readFileSync(0, "utf8")) as Ask;
const log: string[] = [];
try {
  const dns = openDns({ log: (_, message) => log.push(message) });
  const answer = await dns.txt(name, { servers, port: 53, deadline, signal: new AbortController().signal });
  const records =
    answer.kind === "records" ? answer.records.map((one) => one.map((s) => Buffer.from(s).toString("latin1"))) : [];
  console.log(JSON.stringify({ ...answer, records, log }));
} catch (thrown) {
  console.log(JSON.stringify({ kind: thrown instanceof ProvisionError ? thrown.code : String(thrown), log }));
}
