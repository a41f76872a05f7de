import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { type LinkPhase, linkFault } from "../../src/host/http/faults.ts";

const failing = (code: string, phase: LinkPhase, isClockPlausible = true) =>
  linkFault(Object.assign(new Error("words"), { code }), phase, "a.example:443", () => isClockPlausible);

describe("a failed connection", () => {
  test.each([
    ["looking up", "ENOTFOUND", "DNS_FAILED"],
    ["looking up", "EAI_AGAIN", "DNS_TIMEOUT"],
    ["looking up", "EAI_FAIL", "DNS_FAILED"],
    ["connecting to", "ECONNREFUSED", "CONNECT_FAILED"],
    ["connecting to", "EHOSTUNREACH", "CONNECT_FAILED"],
    ["connecting to", "ENETUNREACH", "CONNECT_FAILED"],
    ["connecting to", "ETIMEDOUT", "CONNECT_FAILED"],
    ["connecting to", "EPERM", "CONNECT_FAILED"],
    ["TLS with", "ECONNRESET", "CONNECT_FAILED"],
    ["TLS with", "ERR_SSL_WRONG_VERSION_NUMBER", "CONNECT_FAILED"],
    ["TLS with", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "HTTP_REFUSED"],
    ["TLS with", "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "HTTP_REFUSED"],
    ["TLS with", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "TLS_UNTRUSTED"],
    ["TLS with", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "TLS_UNTRUSTED"],
    ["TLS with", "SELF_SIGNED_CERT_IN_CHAIN", "TLS_UNTRUSTED"],
    ["TLS with", "DEPTH_ZERO_SELF_SIGNED_CERT", "TLS_UNTRUSTED"],
    ["TLS with", "CERT_REVOKED", "TLS_UNTRUSTED"],
    ["TLS with", "EE_KEY_TOO_SMALL", "TLS_UNTRUSTED"],
    ["TLS with", "ERR_TLS_CERT_ALTNAME_INVALID", "TLS_NAME"],
    ["TLS with", "CERT_HAS_EXPIRED", "TLS_EXPIRED"],
    ["TLS with", "CERT_NOT_YET_VALID", "CLOCK_WRONG"],
  ] as const)("while %s with %s is %s", (phase, code, expected) => {
    const fault = failing(code, phase);
    expect(fault.code).toBe(expected);
    expect(fault.message).toContain(`${phase} a.example:443: `);
    expect(fault.message).toContain(code);
  });

  test("by an expired certificate is the clock's fault if the clock is implausible", () => {
    expect(failing("CERT_HAS_EXPIRED", "TLS with", false).code).toBe("CLOCK_WRONG");
    expect(failing("SELF_SIGNED_CERT_IN_CHAIN", "TLS with", false).code).toBe("TLS_UNTRUSTED");
  });

  test("at several addresses is told by the first one's failure", () => {
    const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    const away = Object.assign(new Error("away"), { code: "ENETUNREACH" });
    const fault = linkFault(new AggregateError([refused, away]), "connecting to", "a.example:80", () => true);
    expect([fault.code, fault.cause]).toEqual(["CONNECT_FAILED", refused]);
  });

  test("that is known already stays what it is", () => {
    const known = new ProvisionError("SETTINGS_INVALID", "a pin is no pin");
    expect(linkFault(known, "TLS with", "a.example:443", () => true)).toBe(known);
  });
});
