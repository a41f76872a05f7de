import { createHash, X509Certificate } from "node:crypto";
import type { Authority } from "../../src/admin/certificates.ts";

/** SHA-256 of a certificate, hex. */
export function fingerprintOf(pem: string): string {
  return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
}

/** SHA-256 of a certificate's public key (SPKI). */
export function pinOf(pem: string): Buffer {
  const spki = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest();
}

/** A certificate for `own`'s name and key that names `root` and its key as its issuer; only the signature is not the root's. */
export function claimingToStandBelow(root: string, impostor: Authority, own: Authority): string {
  const name = new X509Certificate(own.cert).subject.slice("CN=".length);
  const crossed = new X509Certificate(impostor.authority(name, own.key).cert);
  const text = crossed.raw.toString("latin1").replaceAll(keyIdentifier(impostor.cert), keyIdentifier(root));
  const forged = Buffer.from(text, "latin1");
  if (!new X509Certificate(forged).checkIssued(new X509Certificate(root))) throw new Error("it does not look forged");
  return `-----BEGIN CERTIFICATE-----\n${forged.toString("base64")}\n-----END CERTIFICATE-----\n`;
}

function keyIdentifier(pem: string): string {
  return pinOf(pem).subarray(0, 20).toString("latin1");
}
