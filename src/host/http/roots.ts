import { createHash, X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, SecureContext } from "node:tls";
import { ProvisionError } from "../../errors.ts";
import type { HttpSettings } from "./how.ts";
import { contextOfOwn, contextOfSystem } from "./own-roots.ts";

/** The CAs a device believes, as OpenSSL wants them, and a way to name the one a server was verified up to. */
export interface Anchors {
  readonly context: SecureContext;
  /** SHA-256 of the root's certificate, 64 hex digits; empty for any of the system's. */
  fingerprint(told: DetailedPeerCertificate): string;
}

/**
 * The sets of CAs to try a server against, in order, each loaded when it is asked for: the configured ones, then those Node was started with
 * (`--use-openssl-ca` on a device) beside them. Both at once would do the same, but reading the system's 140 costs +40 ms on a fast machine, and a fleet's
 * own server needs none of them; a server of the system's pays for that with a second handshake.
 */
export function anchorSets(settings: HttpSettings): readonly (() => Anchors)[] {
  const own = () => anchorsOf(settings, contextOfOwn);
  // A public CA may be another one after every renewal, without anybody's doing on the device: all of them are "the system's".
  const system = () => anchorsOf(settings, contextOfSystem, () => "");
  if (!settings.useSystemCa) return [own].map(once);
  return (settings.ca.length > 0 ? [own, system] : [system]).map(once);
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function anchorsOf(
  { ca, client }: HttpSettings,
  contextOf: typeof contextOfOwn,
  nameOf = (anchor: X509Certificate) => sha256(anchor.raw),
): Anchors {
  const configured = ca.flatMap(readCertificates);
  const known = new Map<string, string>();
  const nameAbove = (told: DetailedPeerCertificate) => {
    const anchor = anchorOf(told, configured);
    return configured.includes(anchor) ? sha256(anchor.raw) : nameOf(anchor);
  };
  try {
    return {
      context: contextOf(ca, { ...client }),
      // OpenSSL verifies each connection; whom the same certificate leads to need be found out once.
      fingerprint(told) {
        const leaf = told.raw.toString("latin1");
        const found = known.get(leaf) ?? nameAbove(told);
        known.set(leaf, found);
        return found;
      },
    };
  } catch (cause) {
    throw new ProvisionError("SETTINGS_INVALID", "a CA, or the device's own certificate or key, is no valid PEM", {
      cause,
      place: { option: "uciprov.main.ca" },
    });
  }
}

function readCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new Error("no certificate in it");
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new ProvisionError("SETTINGS_INVALID", "a CA file holds no valid PEM certificate", {
      cause,
      place: { option: "uciprov.main.ca" },
    });
  }
}

/** Longest chain that is followed; the web's have three or four links. */
const LINKS = 10;

/**
 * The root above a server's verified certificate. Node tells a chain by names and key identifiers only, and a server chooses what it sends:
 * so each link's signature is checked here again, lest a server borrow the name of another owner's CA. A link whose key is a configured CA's ends
 * the chain there, also where it is cross-signed by one that is gone.
 */
function anchorOf(leaf: DetailedPeerCertificate, configured: readonly X509Certificate[]): X509Certificate {
  let told = leaf;
  let certificate = new X509Certificate(told.raw);
  for (let link = 0; link < LINKS; link++) {
    const known = configured.find((one) => isSameKey(one, certificate) || isIssuer(one, certificate));
    if (known) return known;
    if (isIssuer(certificate, certificate)) return certificate;
    const above = told.issuerCertificate;
    const issuer = above ? new X509Certificate(above.raw) : undefined;
    if (!issuer || !isIssuer(issuer, certificate)) break;
    told = above;
    certificate = issuer;
  }
  return certificate;
}

function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isSameKey(one: X509Certificate, other: X509Certificate): boolean {
  return one.subject === other.subject && one.publicKey.equals(other.publicKey);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
