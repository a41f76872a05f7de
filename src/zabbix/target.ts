/** Where events go: what the module `monitoring` leaves in `SENDER_FILE`, taken strictly. */
import type { Files } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { asObject, numberOf, textOf } from "../json-fields.ts";
import { SENDER_FILE } from "../monitor-keys.ts";

export interface TrapperServer {
  readonly host: string;
  readonly port: number;
}

/** How both sides prove themselves, with what is needed for it read from its files. */
export type Proof =
  | { readonly by: "psk"; readonly identity: string; readonly key: Uint8Array }
  | {
      readonly by: "cert";
      readonly ca: string;
      readonly cert: string;
      readonly key: string;
      readonly issuer: string | undefined;
      readonly subject: string | undefined;
    };

export interface SenderTarget {
  /** The device's name in Zabbix. */
  readonly host: string;
  readonly servers: readonly TrapperServer[];
  readonly proof: Proof | undefined;
}

const MOST_SERVERS = 16;

/** Undefined if nobody is to hear events. A fault of the file, or of one that it names, is FILE_UNREADABLE. */
export function readTarget(files: Files): SenderTarget | undefined {
  const text = files.read(SENDER_FILE, 65_536);
  if (text === undefined) return undefined;
  try {
    const from = asObject(JSON.parse(text));
    if (from["version"] !== 1) throw new TypeError("its version is not 1");
    const { servers, proof } = from;
    if (!Array.isArray(servers) || servers.length > MOST_SERVERS) throw new TypeError("servers is no list of up to 16");
    return {
      host: textOf(from, "host"),
      servers: servers.map((one: unknown) => {
        const server = asObject(one);
        return { host: textOf(server, "host"), port: numberOf(server, "port") };
      }),
      proof: proof === undefined ? undefined : readProof(files, asObject(proof)),
    };
  } catch (cause) {
    throw new ProvisionError("FILE_UNREADABLE", "it is not known where events go", {
      cause,
      place: { file: SENDER_FILE },
    });
  }
}

function readProof(files: Files, from: Record<string, unknown>): Proof {
  const fileOf = (name: string): string => {
    const path = textOf(from, name);
    const text = files.read(path, 65_536);
    if (text === undefined) throw new TypeError(`${path} is not there`);
    return text;
  };
  const by = textOf(from, "by");
  if (by === "psk") {
    const digits = fileOf("file").trim();
    if (!/^(?:[0-9A-Fa-f]{2}){16,256}$/.test(digits))
      throw new TypeError(`${textOf(from, "file")} does not hold 32 to 512 hex digits`);
    return { by, identity: textOf(from, "identity"), key: Buffer.from(digits, "hex") };
  }
  if (by !== "cert") throw new TypeError("its proof is neither psk nor cert");
  const optional = (name: string) => (from[name] === undefined ? undefined : textOf(from, name));
  return {
    by,
    ca: fileOf("ca"),
    cert: fileOf("cert"),
    key: fileOf("key"),
    issuer: optional("issuer"),
    subject: optional("subject"),
  };
}
