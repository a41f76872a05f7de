import { ProvisionError } from "../../errors.ts";
import { parseUri, redactUri } from "../../uri.ts";
import { field, type Head } from "./head.ts";

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirection(status: number): boolean {
  return REDIRECTIONS.has(status);
}

/** A URI as a request may use it (uri.ts has the rules); else URI_INVALID. */
export function requestUri(text: string): URL {
  return new URL(parseUri(text, redactUri(text)).text);
}

/** Where an answer sends its asker. `visited` holds every URI of this fetch so far; URI_INVALID, REDIRECT_INSECURE, REDIRECT_LOOP, or HTTP_ODD without a Location. */
export function redirection(head: Head, from: URL, visited: readonly string[], most: number): URL {
  const place = { file: redactUri(from.href) };
  const location = field(head, "location");
  if (location === undefined) throw new ProvisionError("HTTP_ODD", `status ${head.status} without Location`, { place });
  const to = target(location, from);
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new ProvisionError("REDIRECT_INSECURE", `${place.file} redirects to ${redactUri(to.href)}`, { place });
  }
  if (visited.includes(to.href)) {
    throw new ProvisionError("REDIRECT_LOOP", `${place.file} redirects to ${redactUri(to.href)}, which led here`, {
      place,
    });
  }
  if (visited.length > most) {
    throw new ProvisionError("REDIRECT_LOOP", `more than ${most} redirections before ${redactUri(to.href)}`, { place });
  }
  return to;
}

/** A Location may be relative and may have a fragment (RFC 9110 §10.2.2); apart from that it is a URI like any other. */
function target(location: string, from: URL): URL {
  const place = { file: redactUri(from.href) };
  if (/[\0-\x20\x7f]/.test(location) || !URL.canParse(location, from.href)) {
    throw new ProvisionError("URI_INVALID", `${place.file} redirects to ${redactUri(location)}, which is no URI`, {
      place,
    });
  }
  const to = new URL(location, from);
  to.hash = "";
  return requestUri(to.href);
}
