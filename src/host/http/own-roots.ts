import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

/** Where OpenSSL looks for the system's CAs before its own places (X509_get_default_cert_file_env(3)). */
const PLACES = ["SSL_CERT_FILE", "SSL_CERT_DIR"] as const;
const NOWHERE = "/dev/null";

/**
 * A context that believes these CAs alone. The first context with a `ca` makes Node read all of the system's, too, only to see that they are not meant
 * (GetOrCreateRootCertStore in nodejs/node: src/crypto/crypto_context.cc, 20 to 26): 140 certificates, 26 to 70 ms. While it looks, there are none.
 */
export function contextOfOwn(ca: readonly string[], options: SecureContextOptions): SecureContext {
  const before = PLACES.map((name) => process.env[name]);
  for (const name of PLACES) process.env[name] = NOWHERE;
  try {
    return createSecureContext({ ...options, ca: [...ca] });
  } finally {
    for (const [index, name] of PLACES.entries()) {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    }
  }
}

/**
 * A context that believes the system's CAs; and `besides`, if that is given. A context of own CAs may have left Node's idea of the system's empty: a CA
 * that is added to it lets Node read them anew.
 */
export function contextOfSystem(besides: readonly string[], options: SecureContextOptions): SecureContext {
  const made = createSecureContext(options);
  for (const pem of besides) made.context.addCACert(pem);
  return made;
}
