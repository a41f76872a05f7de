/**
 * X.509 certificates (RFC 5280) for `tree serve`, the demo and tests: a small authority and the server certificates it issues, without the openssl
 * program. ECDSA on P-256 with SHA-256 throughout. Just enough DER to write them; nothing here reads any.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP } from "node:net";
import { ProvisionError } from "../errors.ts";
import { bitString, boolean, octetString, oid, sequence, set, tagged, time, unsigned, utf8 } from "./der.ts";

export interface Issued {
  /** PEM texts, as node:tls takes them. */
  readonly cert: string;
  readonly key: string;
}

export interface Wanted {
  /** DNS names and IP addresses; the first also stands in the subject. */
  readonly names: readonly string[];
  /** A day ago if not given. */
  readonly notBefore?: Date;
  /** In 397 days if not given: the longest that clients of the web accept. */
  readonly notAfter?: Date;
  /** For the device's side of TLS rather than a server's. */
  readonly isClient?: boolean;
}

export interface Authority {
  /** Its own certificate and key, PEM. */
  readonly cert: string;
  readonly key: string;
  issue(wanted: Wanted): Issued;
  /** An authority below this one, with a fresh key unless it brings its own (PEM); its `cert` belongs into the chain that a server sends. */
  authority(name: string, key?: string): Authority;
}

const DAY = 86_400_000;

/** Makes a self-signed authority with a fresh key. Dates as in `Wanted`, but ten years long. */
export function makeAuthority(name: string, dates: Pick<Wanted, "notBefore" | "notAfter"> = {}): Authority {
  const own = newKeys();
  return authorityOf(name, own, { name, keys: own }, dates);
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface Signer {
  readonly name: string;
  readonly keys: Keys;
}

function authorityOf(
  name: string,
  keys: Keys,
  signer: Signer,
  dates: Pick<Wanted, "notBefore" | "notAfter">,
): Authority {
  const self = { name, keys };
  return {
    key: keyText(keys),
    cert: certificate(name, keys, signer, {
      notBefore: dates.notBefore ?? new Date(Date.now() - DAY),
      notAfter: dates.notAfter ?? new Date(Date.now() + 3650 * DAY),
      extensions: authorityExtensions(keys, signer),
    }),
    issue(wanted) {
      const leaf = newKeys();
      const cert = certificate(wanted.names[0] ?? "", leaf, self, {
        notBefore: wanted.notBefore ?? new Date(Date.now() - DAY),
        notAfter: wanted.notAfter ?? new Date(Date.now() + 397 * DAY),
        extensions: leafExtensions(wanted, leaf, self),
      });
      return { cert, key: keyText(leaf) };
    },
    authority: (below, key) => authorityOf(below, key === undefined ? newKeys() : keysOf(key), self, {}),
  };
}

function newKeys(): Keys {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function keysOf(pem: string): Keys {
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function keyText(keys: Keys): string {
  return keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

interface Body {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Uint8Array[];
}

const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));

function certificate(subject: string, keys: Keys, signer: Signer, body: Body): string {
  const toBeSigned = sequence(
    tagged(0, unsigned(Uint8Array.of(2))),
    unsigned(serialNumber()),
    ECDSA_WITH_SHA256,
    distinguishedName(signer.name),
    sequence(time(body.notBefore), time(body.notAfter)),
    distinguishedName(subject),
    publicKeyOf(keys),
    tagged(3, sequence(...body.extensions)),
  );
  const signature = sign("sha256", toBeSigned, signer.keys.privateKey);
  return pem("CERTIFICATE", sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(signature)));
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; never zero. */
function serialNumber(): Uint8Array {
  const number = randomBytes(16);
  number[0] = ((number[0] ?? 0) & 0x7f) | 0x40;
  return number;
}

function distinguishedName(commonName: string): Uint8Array {
  return commonName === "" ? sequence() : sequence(set(sequence(oid("2.5.4.3"), utf8(commonName))));
}

function publicKeyOf(keys: Keys): Uint8Array {
  return keys.publicKey.export({ type: "spki", format: "der" });
}

const DIGITAL_SIGNATURE = 0x80;
const CERTIFICATES_AND_CRLS = 0x06;

function authorityExtensions(keys: Keys, signer: Signer): Uint8Array[] {
  return [
    extension("2.5.29.19", true, sequence(boolean(true))),
    extension("2.5.29.15", true, bitString(Uint8Array.of(CERTIFICATES_AND_CRLS), 1)),
    ...keyIdentifiers(keys, signer),
  ];
}

function leafExtensions(wanted: Wanted, keys: Keys, signer: Signer): Uint8Array[] {
  const purpose = wanted.isClient ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1";
  return [
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, bitString(Uint8Array.of(DIGITAL_SIGNATURE), 7)),
    extension("2.5.29.37", false, sequence(oid(purpose))),
    extension("2.5.29.17", false, sequence(...wanted.names.map(alternativeName))),
    ...keyIdentifiers(keys, signer),
  ];
}

function keyIdentifiers(keys: Keys, signer: Signer): Uint8Array[] {
  return [
    extension("2.5.29.14", false, octetString(keyIdentifier(keys))),
    extension("2.5.29.35", false, sequence(tagged(0, keyIdentifier(signer.keys), "primitive"))),
  ];
}

/** Any value that tells keys apart will do (RFC 7093 §2). */
function keyIdentifier(keys: Keys): Uint8Array {
  return createHash("sha256").update(publicKeyOf(keys)).digest().subarray(0, 20);
}

/** GeneralName (RFC 5280 §4.2.1.6): [2] a DNS name, an IDN in its ASCII form, [7] an address's bytes; USAGE if it is neither. */
function alternativeName(name: string): Uint8Array {
  const version = isIP(name);
  if (version === 0 && !/^[\x21-\x7e]{1,253}$/.test(name)) {
    throw new ProvisionError("USAGE", `${JSON.stringify(name)} cannot stand in a certificate`);
  }
  if (version === 0) return tagged(2, Buffer.from(name, "latin1"), "primitive");
  return tagged(7, version === 4 ? Uint8Array.from(name.split("."), Number) : addressBytes(name), "primitive");
}

/** The 16 bytes of an IPv6 address, which may end in dotted decimals. */
function addressBytes(address: string): Uint8Array {
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const [left = [], right = []] = groups.map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = new Array<string>(groups.length === 2 ? 8 - left.length - right.length : 0).fill("0");
  return Uint8Array.from(
    [...left, ...zeros, ...right].flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

function extension(id: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
