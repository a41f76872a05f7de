/** One line of an `authorized_keys` file, checked as the servers will read it. (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; RFC 4253 §6.6, 5656, 8709) */

export interface AuthorizedKey {
  /** As it stands in the tree, without blanks around it. */
  readonly line: string;
  /** Type and key, the same for the same key whatever options and comment it has. */
  readonly identity: string;
  /** Names of its options, lower case. */
  readonly options: readonly string[];
}

/** dropbear does not read longer lines. (dropbear: svr-authpubkey.c, MAX_AUTHKEYS_LINE) */
const LINE_LIMIT = 4200;

/** Why the line is no key, as the rest of a sentence, or the key. Blank lines and comments are the caller's. */
export function parseAuthorizedKey(line: string): AuthorizedKey | string {
  if (Buffer.byteLength(line) > LINE_LIMIT) return `is longer than ${LINE_LIMIT} bytes`;
  if (/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.test(line)) return "holds a control character";
  if (line.includes("PRIVATE KEY")) return "belongs to a private key, which must never be published";
  const start = startsWithType(line) ? { options: [], rest: line } : splitOptions(line);
  if (typeof start === "string") return start;
  const [type = "", base64 = ""] = start.rest.split(/[ \t]+/, 2);
  const format = FORMATS[type];
  if (format === undefined)
    return type.startsWith("ssh-dss") ? "is a DSA key, which no server takes" : "names no known type of key";
  const blob = Buffer.from(base64, "base64");
  if (base64 === "" || blob.toString("base64") !== base64) return "holds no base64 behind the type";
  const fault = faultOfBlob(type, blob, format);
  return fault ?? { line, identity: `${type} ${base64}`, options: start.options };
}

interface Wire {
  readonly bytes: Uint8Array;
}
type Fault = string | undefined;
/** Judges the parts of a key behind its type. */
type Format = (parts: readonly Wire[]) => Fault;

const ed25519: Format = ([key, ...more]) =>
  key?.bytes.length === 32 && more.length === 0 ? undefined : "has no Ed25519 key";

const rsa: Format = ([exponent, modulus, ...more]) => {
  if (exponent === undefined || modulus === undefined || more.length > 0) return "has no RSA key";
  const bits = bitLength(modulus.bytes);
  if (bits < 1024) return `is an RSA key of ${bits} bits, shorter than servers take`;
  if (bits > 16_384) return `is an RSA key of ${bits} bits, longer than servers take`;
  return bitLength(exponent.bytes) < 2 ? "has no RSA exponent" : undefined;
};

const ecdsa =
  (curve: string, length: number): Format =>
  ([name, point, ...more]) => {
    const isPoint = point?.bytes.length === length && point.bytes[0] === 4 && more.length === 0;
    return name !== undefined && Buffer.from(name.bytes).toString() === curve && isPoint
      ? undefined
      : `has no key on ${curve}`;
  };

/** FIDO keys have the application behind the key. */
const withApplication =
  (format: Format): Format =>
  (parts) => {
    const application = parts.at(-1);
    const isText =
      application !== undefined && /^[\x20-\x7e]{1,255}$/.test(Buffer.from(application.bytes).toString("latin1"));
    return isText ? format(parts.slice(0, -1)) : "has no FIDO application";
  };

const FORMATS: Readonly<Record<string, Format | undefined>> = {
  "ssh-ed25519": ed25519,
  "ssh-rsa": rsa,
  "ecdsa-sha2-nistp256": ecdsa("nistp256", 65),
  "ecdsa-sha2-nistp384": ecdsa("nistp384", 97),
  "ecdsa-sha2-nistp521": ecdsa("nistp521", 133),
  "sk-ssh-ed25519@openssh.com": withApplication(ed25519),
  "sk-ecdsa-sha2-nistp256@openssh.com": withApplication(ecdsa("nistp256", 65)),
};

function startsWithType(line: string): boolean {
  return Object.hasOwn(FORMATS, line.split(/[ \t]/, 1)[0] ?? "");
}

/** Options are `name` or `name="value"`, separated by commas, up to a blank outside quotes. */
function splitOptions(line: string): { readonly options: readonly string[]; readonly rest: string } | string {
  const options: string[] = [];
  let rest = line;
  for (;;) {
    const found = /^([A-Za-z0-9-]+)(?:="(?:[^"\\]|\\.)*")?(,|[ \t]+)/.exec(rest);
    if (found === null) return "is no public key";
    options.push((found[1] ?? "").toLowerCase());
    rest = rest.slice(found[0].length);
    if (found[2] !== ",") return { options, rest };
  }
}

function faultOfBlob(type: string, blob: Uint8Array, format: Format): Fault {
  const parts = wireStrings(blob);
  if (parts === undefined) return "is cut off, or goes on behind its key";
  const [name, ...rest] = parts;
  if (name === undefined || Buffer.from(name.bytes).toString("latin1") !== type)
    return "says one type and holds another";
  return format(rest);
}

/** RFC 4251 strings, each after its length; undefined if they do not fill the bytes exactly. */
function wireStrings(blob: Uint8Array): Wire[] | undefined {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const parts: Wire[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + view.getUint32(at);
    if (end > blob.length) return undefined;
    parts.push({ bytes: blob.subarray(at + 4, end) });
    at = end;
  }
  return parts;
}

/** Of a positive mpint (RFC 4251 §5); 0 for a negative or an odd one. */
function bitLength(mpint: Uint8Array): number {
  const first = mpint[0] ?? 0x80;
  if (first >= 0x80 || (first === 0 && (mpint[1] ?? 0) < 0x80)) return 0;
  const digits = first === 0 ? mpint.subarray(1) : mpint;
  return digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24;
}
