import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Change, file, type PlanContext, type Resource, symlink } from "../src/api.ts";
import { subjectHash } from "./_subject-hash.ts";

/** What the authorities and the identity of a tree become; every fault in them is told with its line. */
export function planCertificates(context: PlanContext): Change[] {
  return [...authorities(context), ...identity(context)];
}

/** uclient-fetch believes every `*.crt` there. (openwrt/uclient: uclient-fetch.c, init_ca_cert) */
const AUTHORITIES = "/etc/ssl/certs";
const CERTIFICATE = "/etc/ssl/client.crt";
const KEY = "/etc/ssl/private/client.key";
const BLOCKS_LIMIT = 200;
/** So many authorities of one name may there be. */
const MOST_ALIKE = 20;

/** Each in a file of its own, named for its fingerprint: so one that goes takes no other with it. */
function authorities(context: PlanContext): Change[] {
  const resource = context.resource("ca");
  if (resource === undefined) return [];
  const changes = new Map<string, Change>();
  const names: { readonly file: string; readonly hash: string | undefined; readonly origin: Change["origin"] }[] = [];
  for (const block of blocksIn(resource, context)) {
    const certificate = block.label === "CERTIFICATE" ? certificateIn(block, resource, context) : undefined;
    if (block.label !== "CERTIFICATE")
      fault(context, resource, block.line, `a ${block.label} has no place among authorities`);
    if (certificate === undefined) continue;
    if (!certificate.ca)
      warn(context, resource, block.line, `${nameOf(certificate)} is no authority; not all programs will believe it`);
    const path = `${AUTHORITIES}/tree-${fingerprint(certificate)}.crt`;
    const origin = { ...resource.origin, detail: `line ${block.line}` };
    if (!changes.has(path)) {
      names.push({ file: path.slice(AUTHORITIES.length + 1), hash: subjectHash(certificate.raw), origin });
    }
    changes.set(path, file(path, block.text, { origin }));
  }
  return [...changes.values(), ...hashedNames(names, context)];
}

/**
 * Links named `HASH.N`, by which programs on OpenSSL find an authority in the folder (openssl-rehash(1)). The device's own keep their numbers.
 */
function hashedNames(
  names: readonly { readonly file: string; readonly hash: string | undefined; readonly origin: Change["origin"] }[],
  { files, owned }: PlanContext,
): Change[] {
  const taken = new Set<string>();
  return names.flatMap(({ file: target, hash, origin }): Change[] => {
    if (hash === undefined) return [];
    const places = Array.from({ length: MOST_ALIKE }, (_, number) => `${AUTHORITIES}/${hash}.${number}`);
    const path =
      places.find((place) => files.readLink(place) === target) ??
      places.find((place) => !taken.has(place) && (owned.has(place) || files.stat(place) === undefined));
    if (path === undefined || taken.has(path)) return [];
    taken.add(path);
    return [symlink(path, target, origin)];
  });
}

/** The device's certificate, with those between it and its authority, and its key. */
function identity(context: PlanContext): Change[] {
  const resource = context.resource("client");
  if (resource === undefined) return [];
  const blocks = blocksIn(resource, context);
  const chain = blocks.filter((block) => block.label === "CERTIFICATE");
  const [key, ...moreKeys] = blocks.filter((block) => block.label !== "CERTIFICATE");
  const certificates = chain.map((block) => certificateIn(block, resource, context));
  const [own] = certificates;
  if (key === undefined || moreKeys.length > 0 || chain.length === 0) {
    fault(context, resource, 1, "a client's file holds its certificate, maybe others up to the authority, and one key");
    return [];
  }
  const privateKey = keyIn(key, resource, context);
  if (own === undefined || privateKey === undefined || certificates.includes(undefined)) return [];
  if (!own.checkPrivateKey(privateKey)) {
    fault(context, resource, key.line, `the key does not belong to ${nameOf(own)}, the first certificate`);
    return [];
  }
  const { origin } = resource;
  return [
    file(CERTIFICATE, chain.map((block) => block.text).join(""), { origin }),
    file(KEY, key.text, { mode: 0o600, origin }),
  ];
}

interface Block {
  readonly label: string;
  /** With its marks and a line end. */
  readonly text: string;
  readonly line: number;
}

/** PEM blocks (RFC 7468); blank lines, `#` comments and what `openssl x509 -text` prints may stand between them. */
function blocksIn(resource: Resource, context: PlanContext): readonly Block[] {
  const text = (context.text(resource.name) ?? "").replaceAll("\r\n", "\n");
  const blocks: Block[] = [];
  for (const found of text.matchAll(/^-----BEGIN ([A-Z0-9 ]{1,40})-----\n[A-Za-z0-9+/=\n]*?^-----END \1-----$/gm)) {
    const line = text.slice(0, found.index).split("\n").length;
    blocks.push({ label: found[1] ?? "", text: `${found[0]}\n`, line });
  }
  const marks = [...text.matchAll(/^-----(?:BEGIN|END) /gm)].length;
  if (marks !== blocks.length * 2)
    fault(context, resource, 1, "a PEM block is cut off or holds something else than base64");
  else if (blocks.length === 0) fault(context, resource, 1, "there is no PEM block in it");
  if (blocks.length > BLOCKS_LIMIT)
    fault(context, resource, 1, `${blocks.length} PEM blocks, ${BLOCKS_LIMIT} are allowed`);
  return blocks.slice(0, BLOCKS_LIMIT);
}

function certificateIn(block: Block, resource: Resource, context: PlanContext): X509Certificate | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(block.text);
  } catch {
    fault(context, resource, block.line, "this is no X.509 certificate");
    return undefined;
  }
  // The firmware's build is the one moment that has surely passed, whatever the clock says.
  const { built } = context.facts;
  if (built !== undefined && Date.parse(certificate.validTo) < built * 1000) {
    warn(context, resource, block.line, `${nameOf(certificate)} expired before this firmware was built`);
  }
  return certificate;
}

function keyIn(block: Block, resource: Resource, context: PlanContext) {
  if (!/^(?:(?:EC|RSA) )?PRIVATE KEY$/.test(block.label)) {
    fault(context, resource, block.line, `a ${block.label} cannot be used: a plain private key is needed`);
    return undefined;
  }
  try {
    return createPrivateKey(block.text);
  } catch {
    fault(context, resource, block.line, "this is no private key");
    return undefined;
  }
}

function fingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase().slice(0, 16);
}

function nameOf(certificate: X509Certificate): string {
  return JSON.stringify((certificate.subject ?? "").replaceAll("\n", ", ").slice(0, 100));
}

function fault(context: PlanContext, resource: Resource, line: number, message: string): void {
  context.finding("error", "PLAN_INVALID", message, { file: resource.uri, line });
}

function warn(context: PlanContext, resource: Resource, line: number, message: string): void {
  context.finding("warning", "PLAN_INVALID", message, { file: resource.uri, line });
}
