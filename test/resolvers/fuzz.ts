import { readFileSync } from "node:fs";
import { leaseUri, readLease } from "../../resolvers/_dhcp-options.ts";
import { readLookUp } from "../../resolvers/_look-up.ts";
import { readNeighbours } from "../../resolvers/_neighbours.ts";
import { readTxtWords } from "../../resolvers/_txt.ts";
import { ProvisionError } from "../../src/errors.ts";
import { type FuzzResult, fuzz } from "../damage.ts";

const isKnown = (thrown: unknown) => thrown instanceof ProvisionError && thrown.code !== "INTERNAL";
const bytes = (text: string, encoding: BufferEncoding = "utf8") => Uint8Array.from(Buffer.from(text, encoding));
const hex = (text: string) => Buffer.from(text).toString("hex");

/** Damaged records of leases; the hex inside is damaged as well. */
export function fuzzDhcp(runs: number, seed: number): FuzzResult {
  const uri = "https://cfg.example/{mac}/";
  const list = `00${uri.length.toString(16).padStart(2, "0")}${hex(uri)}`;
  const seeds = [
    `opt224=${hex(uri)}\0hostname=ow\0domain=a.example\0`,
    `opt143=${list}${list}\0OPTION_136=${list}\0`,
    `opt43=0104${hex("http")}02${uri.length.toString(16)}${hex(uri)}ff\0`,
    `tftp=https://a.example\0bootfile=x/y\0OPTION_59=${hex(uri)}\0`,
  ].map((text) => bytes(text, "latin1"));
  return fuzz({ seeds, runs, seed }, (input) => checkPlain(leaseUri(readLease(input))?.uri), isKnown);
}

/** Damaged output of lldpcli. */
export function fuzzLldp(runs: number, seed: number): FuzzResult {
  const seeds = ["one", "raw-odd", "raw-inject"].map((name) =>
    bytes(JSON.stringify(JSON.parse(readFileSync(`fixtures/answers/lldp/${name}.json0`, "utf8")))),
  );
  return fuzz(
    { seeds, runs, seed },
    (input) => {
      const tlv = { oui: "027570", subtype: 1 };
      for (const one of readNeighbours(Buffer.from(input).toString("utf8"), tlv)) {
        for (const word of [...one.uris, ...Object.values(one.macros)]) checkPlain(word);
      }
    },
    (thrown) => thrown instanceof SyntaxError,
  );
}

/** Damaged strings of TXT records: the input is cut into strings at its zero bytes. */
export function fuzzTxt(runs: number, seed: number): FuzzResult {
  const seeds = [
    "provuri=https://a.example/?a=b\0serial=42\0site=north",
    "v=spf1 -all\0PROVURI=u\0a=\0b=é",
    `provuri=${"x".repeat(247)}\0yz`,
  ].map((text) => bytes(text));
  return fuzz(
    { seeds, runs, seed },
    (input) => {
      const strings = Buffer.from(input)
        .toString("latin1")
        .split("\0")
        .map((one) => bytes(one.slice(0, 255), "latin1"));
      const { uri, serial, macros } = readTxtWords([strings]);
      for (const word of [uri, serial, ...Object.values(macros)]) checkPlain(word);
    },
    isKnown,
  );
}

/** Damaged answers of a look-up service. */
export function fuzzLookUp(runs: number, seed: number): FuzzResult {
  const seeds = [
    '{"provuri":"https://a.example/{mac}/","serial":42}',
    "# answer\nprovuri=https://a.example/\nserial=7\n",
  ].map((text) => bytes(text));
  return fuzz({ seeds, runs, seed }, (input) => checkPlain(readLookUp(input)?.uri), isKnown);
}

function checkPlain(word: string | undefined): void {
  if (word !== undefined && (/[\u0000-\u001f\u007f]/.test(word) || word.length > 2048))
    throw new Error(`${JSON.stringify(word)} came through`);
}
