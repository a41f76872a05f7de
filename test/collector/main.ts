/** `collector FOLDER --cert FILE --key FILE --ca FILE [--port N] [--period S] [--codec alaw] [--sample NAME=FILE] [--scorer WORDS] [--no-concealment]`; see README.md. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BUILTIN, CODECS, isId, isOneOf } from "../../src/probe/plan.ts";
import { makeSample } from "../../src/probe/sample.ts";
import { readWav, writeWav } from "../../src/probe/wav.ts";
import { collector } from "./server.ts";
import { openStore } from "./store.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cert: { type: "string" },
    key: { type: "string" },
    ca: { type: "string" },
    port: { type: "string", default: "443" },
    period: { type: "string", default: "300" },
    codec: { type: "string", default: "alaw" },
    sample: { type: "string", default: BUILTIN },
    scorer: { type: "string" },
    "no-concealment": { type: "boolean", default: false },
  },
});
const [folder = "."] = positionals;
const { cert = "cert.pem", key = "key.pem", ca = "ca.pem", codec } = values;
const [name = "", file] = values.sample.split("=");
if (!isId(name) || !isOneOf(CODECS, codec)) throw new Error("--sample is NAME=FILE, --codec alaw or ulaw");

mkdirSync(folder, { recursive: true });
const bytes = file === undefined ? writeWav(makeSample()) : readFileSync(file);
const wav = readWav(bytes, { seconds: 60 });
if ("fault" in wav) throw new Error(`the sound ${wav.fault}`);
// For a scorer, which reads files.
const path = join(folder, `${name}.wav`);
if (!existsSync(path)) writeFileSync(path, bytes);

const server = collector(
  openStore(folder),
  {
    cert: readFileSync(cert, "utf8"),
    key: readFileSync(key, "utf8"),
    ca: readFileSync(ca, "utf8"),
    plan: { period: Number(values.period), sample: name, codec },
    judging: {
      sound: { path, samples: wav.samples },
      conceals: !values["no-concealment"],
      ...(values.scorer === undefined ? {} : { scorer: values.scorer.split(/ +/) }),
    },
    sound: bytes,
  },
  (line) => appendFileSync(join(folder, "requests.log"), `${line}\n`),
);
server.listen(Number(values.port));
