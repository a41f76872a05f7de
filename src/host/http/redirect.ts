import { ProvisionError } from "../../errors.ts";
import { field, type Head } from "./head.ts";
import { tellUri } from "./told.ts";

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const URI_CHARACTERS = 4_096;

export function isRedirection(status: number): boolean {
  return REDIRECTIONS.has(status);
}

/** A URI as a request may use it: http or https, without user and password; else URI_INVALID. */
export function requestUri(text: string, base?: URL): URL {
  const told = tellUri(text);
  const place = { file: told };
  if (text.length > URI_CHARACTERS || /[\0-\x20\x7f]/.test(text) || !URL.canParse(text, base?.href)) {
    throw new ProvisionError("URI_INVALID", `${told} is no URI`, { place });
  }
  const uri = new URL(text, base?.href);
  if (uri.protocol !== "https:" && uri.protocol !== "http:") {
    throw new ProvisionError("URI_INVALID", `${told}: only http and https are fetched`, { place });
  }
  if (uri.username !== "" || uri.password !== "") {
    throw new ProvisionError("URI_INVALID", `${told} carries a user or password`, { place });
  }
  uri.hash = "";
  return uri;
}

/** Where an answer sends its asker. `visited` holds every URI of this fetch so far; URI_INVALID, REDIRECT_INSECURE, REDIRECT_LOOP, or HTTP_ODD without a Location. */
export function redirection(head: Head, from: URL, visited: readonly string[], most: number): URL {
  const place = { file: tellUri(from.href) };
  const location = field(head, "location");
  if (location === undefined) throw new ProvisionError("HTTP_ODD", `status ${head.status} without Location`, { place });
  const to = requestUri(location, from);
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new ProvisionError("REDIRECT_INSECURE", `${place.file} redirects to ${tellUri(to.href)}`, { place });
  }
  if (visited.includes(to.href)) {
    throw new ProvisionError("REDIRECT_LOOP", `${place.file} redirects to ${tellUri(to.href)}, which led here`, {
      place,
    });
  }
  if (visited.length > most) {
    throw new ProvisionError("REDIRECT_LOOP", `more than ${most} redirections before ${tellUri(to.href)}`, { place });
  }
  return to;
}
