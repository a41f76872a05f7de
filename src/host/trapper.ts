import { X509Certificate } from "node:crypto";
import { connect, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from "node:tls";
import { messageLength } from "../zabbix/message.ts";
import type { Proof, TrapperServer } from "../zabbix/target.ts";
import { answerOf } from "./answer.ts";

/**
 * Puts a request to a Zabbix server or proxy over TCP, over TLS where there is a proof, and gives its whole answer. Throws what the connection fails by, or the
 * signal's reason. What the answer says is the caller's to judge.
 */
export function askTrapper(
  server: TrapperServer,
  request: Uint8Array,
  proof: Proof | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const ready = proof === undefined ? "connect" : "secureConnect";
  return answerOf({ socket: open(server, proof), ready, request }, wholeMessage, signal);
}

function wholeMessage(bytes: Buffer): Uint8Array | undefined {
  const length = messageLength(bytes);
  return length === undefined || bytes.length < length ? undefined : bytes.subarray(0, length);
}

/** What Zabbix offers for shared keys itself, under TLS 1.2 (src/libs/zbxcomms/tls_openssl.c); Node takes keys from outside up to that version. */
const PSK_CIPHERS =
  "ECDHE-PSK-AES128-CBC-SHA256:ECDHE-PSK-AES128-CBC-SHA:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256:PSK-AES128-CBC-SHA";

function open({ host, port }: TrapperServer, proof: Proof | undefined): Socket {
  if (proof === undefined) return connect({ host, port });
  if (proof.by === "psk") {
    return connectTls({
      host,
      port,
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
      ciphers: PSK_CIPHERS,
      pskCallback: () => ({ identity: proof.identity, psk: proof.key }),
      // There is no certificate: that the server has the key is its proof.
      checkServerIdentity: () => undefined,
    });
  }
  return connectTls({
    host,
    port,
    minVersion: "TLSv1.2",
    ca: proof.ca,
    cert: proof.cert,
    key: proof.key,
    checkServerIdentity: (name, certificate) => wrongName(name, certificate, proof),
  });
}

/** With a subject or an issuer said, as an agent checks it; else the certificate must name the host. */
function wrongName(
  host: string,
  certificate: PeerCertificate,
  { subject, issuer }: { readonly subject: string | undefined; readonly issuer: string | undefined },
): Error | undefined {
  if (subject === undefined && issuer === undefined) return checkServerIdentity(host, certificate);
  const has = new X509Certificate(certificate.raw);
  if (subject !== undefined && distinguishedName(has.subject) !== subject)
    return new Error("its certificate has another subject");
  if (issuer !== undefined && distinguishedName(has.issuer) !== issuer)
    return new Error("its certificate has another issuer");
  return undefined;
}

/** As RFC 4514 writes it, and Zabbix with it: the last part first. Node has a line a part. */
function distinguishedName(lines: string): string {
  return lines.split("\n").reverse().join(",");
}
