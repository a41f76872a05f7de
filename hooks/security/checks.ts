/** What texts of the section must look like. Each gives the reason why not, or undefined. */
import { ProvisionError, parseUri } from "../../src/api.ts";
import { faultOfName, faultOfNetwork } from "../_checks.ts";
import { show } from "../_options.ts";

/** A file that somebody else's program writes: absolute, and nothing that a log line or a program's argument could be misled by. */
export function faultOfFile(text: string): string | undefined {
  const isPath =
    text.length <= 256 &&
    /^(?:\/[A-Za-z0-9_+,.-]+)+$/.test(text) &&
    !text.split("/").some((part) => /^\.+$/.test(part));
  return isPath ? undefined : `${show(text)} is no path of a file`;
}

/** An address of mail as people have it (RFC 5321 §4.1.2, Mailbox, without quotes and address literals). */
export function faultOfMail(text: string): string | undefined {
  const [local = "", host = "", ...more] = text.split("@");
  const isMail =
    more.length === 0 &&
    local.length <= 64 &&
    /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(local) &&
    !local.startsWith("-") &&
    faultOfName(host) === undefined;
  return isMail ? undefined : `${show(text)} is no address of mail`;
}

/** Where reports are posted to: they tell who attacks whom. The value itself is not told, since its path may be a secret. */
export function faultOfUri(text: string): string | undefined {
  try {
    return parseUri(text, "the URI").scheme === "https" ? undefined : "is not https";
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return `is no URI that reports can go to (${thrown.message})`;
    throw thrown;
  }
}

/** Somebody who is never banned; not everybody. */
export function faultOfFriend(text: string): string | undefined {
  const wrong = faultOfNetwork(text);
  if (wrong !== undefined) return wrong;
  return /\/0+$/.test(text) ? `${show(text)} is everybody: nobody would ever be banned` : undefined;
}
