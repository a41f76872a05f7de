/** What texts in /etc/config/beesip must look like, whichever role they are for. Each gives the reason why not, or undefined. */
import { isIP } from "node:net";
import { show } from "./_options.ts";

/** A DNS name, an IPv4 or an IPv6 address (without brackets): it reaches configuration files, SIP URIs and phones. */
export function faultOfHost(text: string): string | undefined {
  if (isIP(text) !== 0 && !text.includes("%")) return undefined;
  return faultOfName(text) === undefined && !/^[0-9.]+$/.test(text)
    ? undefined
    : `${show(text)} is no host name or address`;
}

/** A DNS name (RFC 1123 §2.1). */
export function faultOfName(text: string): string | undefined {
  const isName =
    text.length <= 253 &&
    text.split(".").every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
  return isName ? undefined : `${show(text)} is no DNS name`;
}

/** An address, or a network as ADDRESS/BITS. */
export function faultOfNetwork(text: string): string | undefined {
  const [address = "", bits, ...more] = text.split("/");
  const family = address.includes("%") ? 0 : isIP(address);
  const most = family === 4 ? 32 : 128;
  const isFine =
    family !== 0 &&
    more.length === 0 &&
    (bits === undefined || (/^(?:0|[1-9][0-9]{0,2})$/.test(bits) && Number(bits) <= most));
  return isFine ? undefined : `${show(text)} is no address or network`;
}

export function faultOfAddress(text: string): string | undefined {
  return isIP(text) !== 0 && !text.includes("%") ? undefined : `${show(text)} is no address`;
}

/**
 * A secret or a user name: no control characters, which line-based formats cannot hold, and no space at its ends, which they lose.
 * Anything else is for each format's writer to escape.
 */
export function faultOfSecret(text: string): string | undefined {
  if (text === "") return "is empty";
  return text.length > 128 ? "is longer than 128 characters" : faultOfLine(text);
}

/** A name that people see. */
export function faultOfLabel(text: string): string | undefined {
  return text.length > 64 ? "is longer than 64 characters" : faultOfLine(text);
}

/** The value itself is not told: it may be a secret. */
function faultOfLine(text: string): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd\ufffe\uffff]/.test(text))
    return "holds a control character or no proper text";
  if (/[\ud800-\udfff]/u.test(text)) return "is no proper Unicode";
  return text !== text.trim() ? "begins or ends with a space" : undefined;
}

export function faultOfMac(text: string): string | undefined {
  return macOf(text) === undefined ? `${show(text)} is no MAC address` : undefined;
}

/** 12 lower-case hex digits, from any of the usual ways of writing. */
export function macOf(text: string): string | undefined {
  const plain = /^[0-9A-Fa-f]{2}([:-]?)(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}$/.test(text);
  return plain ? text.replace(/[:-]/g, "").toLowerCase() : undefined;
}

/** A UCI section's name: what /etc/config/network calls an interface. */
export function faultOfInterface(text: string): string | undefined {
  return /^[A-Za-z0-9_]{1,32}$/.test(text) ? undefined : `${show(text)} is no name of an interface`;
}
