/** URIs as the device uses them: absolute, http or https, without surprises for any other program that reads them. */
import { ProvisionError } from "./errors.ts";

/** A checked URI; its fields are those of `text`, which is in normal form (what a WHATWG URL parser makes of it, unchanged). */
export interface PlainUri {
  readonly scheme: "https" | "http";
  /** Lower case; IPv6 in brackets, as in `URL.hostname`. */
  readonly host: string;
  /** Always there: 443 or 80 if the text names none. */
  readonly port: number;
  /** Begins with `/`. */
  readonly path: string;
  /** Without its `?`. */
  readonly query?: string;
  readonly text: string;
}

const LONGEST_URI = 2048;

/**
 * Checks a URI from outside; `what` names it in errors. Absolute http or https, 2048 bytes at most, ASCII as RFC 3986 has it, no user, password or
 * fragment, no `.` or `..` segment however encoded, a DNS name, dotted IPv4 or `[IPv6]` as host. URI_INVALID says which rule it breaks.
 */
export function parseUri(text: string, what: string): PlainUri {
  const refuse = (reason: string, cause?: unknown) =>
    new ProvisionError("URI_INVALID", `${what}: ${reason}`, { cause });

  if (text.length > LONGEST_URI) throw refuse(`longer than ${LONGEST_URI} bytes`);
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(text);
  if (parts === null) throw refuse("not an absolute URI");
  const [, scheme = "", authority = "", path = "", query, fragment] = parts;

  if (!isHttp(scheme)) throw refuse(`scheme is ${scheme.slice(0, 20).toLowerCase()}, not https or http`);
  if (fragment !== undefined) throw refuse("has a fragment (`#`)");
  if (authority.includes("@")) throw refuse("has a user or password");
  if (/%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/@!$&'()*+,;=%]/.test(path))
    throw refuse("has an odd character in its path");
  if (query !== undefined && /%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?@!$&'()*+,;=%]/.test(query)) {
    throw refuse("has an odd character in its query");
  }
  if (path.split("/").some(isDotSegment)) throw refuse("has a `.` or `..` segment in its path");

  const server = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([1-9][0-9]{0,4}))?$/.exec(authority);
  if (server === null) throw refuse("has no valid host or port");
  const [, host = "", port] = server;
  if (port !== undefined && Number(port) > 65535) throw refuse("has a port above 65535");
  if (!host.startsWith("[") && !isHostName(host)) throw refuse("has no valid host name");

  return normalForm(text, query, refuse);
}

/**
 * The text with user, password and query values taken out and control characters replaced, cut at 300 characters: for logs.
 * Takes any text, URI or not, and never throws.
 */
export function redactUri(text: string): string {
  const [head = "", query] =
    text
      .slice(0, LONGEST_URI)
      .split("#", 1)[0]
      ?.split(/\?(.*)/s) ?? [];
  const shown = query === undefined ? withoutUser(head) : `${withoutUser(head)}?${withoutValues(query)}`;
  const clean = shown.replace(/[\u0000-\u0020\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
  return clean.length > 300 ? `${clean.slice(0, 299)}…` : clean;
}

/**
 * Whether `uri` is in the folder `base` (or below), on the same server; a base counts as a folder with or without `/` at its end. A rest with an encoded `/` or `\`
 * is not below: servers decode it before they look for the file.
 */
export function isBelow(uri: PlainUri, base: PlainUri): boolean {
  if (base.query !== undefined) return false;
  if (uri.scheme !== base.scheme || uri.host !== base.host || uri.port !== base.port) return false;
  const folder = `${base.path.replace(/\/+$/, "")}/`;
  return uri.path.startsWith(folder) && !/%2f|%5c/i.test(uri.path.slice(folder.length));
}

function isHttp(scheme: string): boolean {
  return /^https?$/i.test(scheme);
}

/** WHATWG URL parsers take `%2e` for a dot here and drop the segment (URL standard, “double-dot path segment”). */
function isDotSegment(segment: string): boolean {
  return /^(?:\.|%2e){1,2}$/i.test(segment);
}

/** Whether a host as people write it (any letter case; IPv6 with or without brackets, however shortened) is this one of a URI. A port beside it makes it none. */
export function isHost(said: string, host: string): boolean {
  if (!said.includes(":")) return said.toLowerCase() === host;
  const literal = said.startsWith("[") ? said : `[${said}]`;
  return (
    /^\[[0-9a-f:.]+\]$/i.test(literal) &&
    URL.canParse(`https://${literal}/`) &&
    new URL(`https://${literal}/`).hostname === host
  );
}

/** A DNS name of letters, digits, `-` and `_`, or IPv4 in its one plain form: parsers disagree about `010.1` and `0x7f.1`. */
function isHostName(host: string): boolean {
  const labels = host.split(".");
  if (host.length > 253) return false;
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? "")) {
    return (
      labels.length === 4 && labels.every((label) => /^(?:0|[1-9][0-9]{0,2})$/.test(label) && Number(label) <= 255)
    );
  }
  return labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

function normalForm(
  text: string,
  query: string | undefined,
  refuse: (reason: string, cause?: unknown) => Error,
): PlainUri {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw refuse("has no valid host", cause);
  }
  const scheme = url.protocol === "https:" ? "https" : "http";
  const port = url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port);
  const plain = { scheme, host: url.hostname, port, path: url.pathname, text: url.href } as const;
  return query === undefined ? plain : { ...plain, query: url.search.replace(/^\?/, "") };
}

function withoutUser(head: string): string {
  const parts = /^([^/\\]*[/\\]{2})([^/\\]*)(.*)$/s.exec(head);
  if (parts === null) return head.replace(/^.*@/s, "");
  const [, scheme = "", authority = "", path = ""] = parts;
  const at = authority.lastIndexOf("@");
  if (at >= 0) return scheme + authority.slice(at + 1) + path;
  // A password with a `/` in it, not encoded: what looks like a port is none.
  const isOdd = /:(?![0-9]{0,5}$)/.test(authority) && !authority.startsWith("[");
  return isOdd && path.includes("@") ? scheme + path.slice(path.lastIndexOf("@") + 1) : head;
}

function withoutValues(query: string): string {
  return query
    .split("&")
    .map((pair) => (pair.includes("=") ? `${pair.split("=", 1)[0]}=…` : "…"))
    .join("&");
}
