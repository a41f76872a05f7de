/** The probe's certificate and key, fetched once where nobody has put them. They say who the probe is, and nothing of whom it believes. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Disk, Http, ProbeConfig } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { makeFolders } from "../transaction/folders.ts";
import { folderOf } from "../transaction/layout.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { parseUri } from "../uri.ts";
import { leased } from "./lease.ts";

const BYTES = 65_536;

export function hasIdentity(disk: Disk, { cert, key }: ProbeConfig): boolean {
  return disk.stat(cert) !== undefined && disk.stat(key) !== undefined;
}

/**
 * Fetches both as one PEM over https: from where the settings say, else from where DHCP says and the settings allow. The server is proven as the collector is, by authorities that
 * neither it nor DHCP can name.
 */
export async function fetchIdentity(disk: Disk, http: Http, config: ProbeConfig, signal: AbortSignal): Promise<void> {
  const source =
    config.keyUrl === undefined
      ? leased(disk, "keyUrl", config.hosts)
      : parseUri(config.keyUrl, "beesip.probe.key_url");
  if (source?.scheme !== "https") {
    throw new ProvisionError(
      "NOT_READY",
      `there is no ${config.cert} or ${config.key}, and neither key_url nor DHCP says where they are`,
    );
  }
  const answer = await http.get({ uri: source.text, limit: BYTES, signal });
  if (answer.kind !== "body")
    throw new ProvisionError("HTTP_NOT_FOUND", "the probe's certificate and key are not where they should be");
  const { cert, key } = pairIn(Buffer.from(answer.bytes).toString("latin1"));
  // The key first: only both together count as there.
  place(disk, config.key, key, 0o600);
  place(disk, config.cert, cert, 0o644);
}

/** Certificates, the probe's own first, and the key that belongs to it. What was sent is never told: it may be a key. */
function pairIn(text: string): { readonly cert: string; readonly key: string } {
  const certs = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  const [key = ""] =
    text.match(/-----BEGIN (?:EC |RSA )?PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END (?:EC |RSA )?PRIVATE KEY-----/) ?? [];
  try {
    if (new X509Certificate(certs[0] ?? "").checkPrivateKey(createPrivateKey(key))) {
      return { cert: `${certs.join("\n")}\n`, key: `${key}\n` };
    }
  } catch {
    // told below, without a word of it
  }
  throw new ProvisionError(
    "HTTP_ODD",
    "what was fetched is not a PEM of a certificate and the plain key that belongs to it",
  );
}

function place(disk: Disk, path: string, text: string, mode: number): void {
  makeFolders(disk, folderOf(path), 0o755);
  replaceFile(disk, path, `${path}.new`, Buffer.from(text), { mode });
}
