import { type ErrorCode, ProvisionError } from "../../errors.ts";

/** What a connection was busy with when it failed. */
export type LinkPhase = "looking up" | "connecting to" | "TLS with";

/**
 * A failure of DNS, TCP or TLS before anything was asked, told by Node's and OpenSSL's codes (verify(1), `X509_V_ERR_*`; getaddrinfo(3)).
 * `isClockPlausible` false makes an expired certificate CLOCK_WRONG: at 1970 or 2106 every certificate is out of date.
 */
export function linkFault(
  thrown: unknown,
  phase: LinkPhase,
  peer: string,
  isClockPlausible: () => boolean,
): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  const cause = firstOf(thrown);
  const code = codeOf(cause);
  return new ProvisionError(classify(code, phase, isClockPlausible), `${phase} ${peer}: ${wordsOf(cause, code)}`, {
    cause,
  });
}

function classify(code: string, phase: LinkPhase, isClockPlausible: () => boolean): ErrorCode {
  if (code === "EAI_AGAIN") return "DNS_TIMEOUT";
  if (phase === "looking up" || code === "ENOTFOUND" || code.startsWith("EAI_")) return "DNS_FAILED";
  if (phase === "connecting to") return "CONNECT_FAILED";
  if (code === "CERT_NOT_YET_VALID") return "CLOCK_WRONG";
  if (code === "CERT_HAS_EXPIRED") return isClockPlausible() ? "TLS_EXPIRED" : "CLOCK_WRONG";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH") return "TLS_NAME";
  if (isAlertAboutUs(code)) return "HTTP_REFUSED";
  // Errors of the system and of the protocol say nothing about who the peer is; every other code is a verdict of verify(1).
  if (/^(E[A-Z0-9]+$|ERR_|UND_)/.test(code) || code === "") return "CONNECT_FAILED";
  return "TLS_UNTRUSTED";
}

/** Alerts by which a server refuses the device's client certificate, or the lack of one (RFC 8446 §6.2). */
export function isAlertAboutUs(code: string): boolean {
  return /_ALERT_(?:NO_CERTIFICATE|(?:BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|ACCESS_DENIED)/.test(code);
}

export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

/** Of several addresses that were tried, the first one's failure stands for all. */
function firstOf(thrown: unknown): unknown {
  return thrown instanceof AggregateError ? (thrown.errors[0] ?? thrown) : thrown;
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name, or no name server that says so",
  EAI_AGAIN: "no name server answered",
  ECONNREFUSED: "nothing listens there",
  EHOSTUNREACH: "no route to it",
  ENETUNREACH: "no route to its network",
  ECONNRESET: "it closed the connection",
  ETIMEDOUT: "no answer",
};

function wordsOf(thrown: unknown, code: string): string {
  if (WORDS[code] !== undefined) return `${WORDS[code]} (${code})`;
  const words = reasonOf(thrown);
  return code && !words.includes(code) ? `${words} (${code})` : words;
}

/** OpenSSL's message is a line of addresses and source files; what it means stands in `reason`. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return "reason" in thrown && typeof thrown.reason === "string" ? thrown.reason : thrown.message;
}
