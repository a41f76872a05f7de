/** What texts of the exchange must look like, whoever gives them: UCI or the gateway list. Each gives the reason why not, or undefined. */
import { faultOfHost, faultOfSecret } from "./_checks.ts";
import { show } from "./_options.ts";

/** An internal number: what is dialled within the house. */
export function faultOfExtension(text: string): string | undefined {
  return /^[0-9]{2,10}$/.test(text) ? undefined : `${show(text)} is no number of 2 to 10 digits`;
}

/** The beginning of an international number (ITU-T E.164: 15 digits at most). */
export function faultOfPrefix(text: string): string | undefined {
  return /^\+[1-9][0-9]{0,14}$/.test(text) ? undefined : `${show(text)} is no prefix like +420596`;
}

export function faultOfDigits(text: string): string | undefined {
  return /^[0-9]{1,15}$/.test(text) ? undefined : `${show(text)} is not 1 to 15 digits`;
}

/** What is put before a number for a gateway. */
export function faultOfPrepend(text: string): string | undefined {
  return /^\+?[0-9]{0,15}$/.test(text) ? undefined : `${show(text)} is not a + and up to 15 digits`;
}

export function faultOfId(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9-]{0,31}$/.test(text)
    ? undefined
    : `${show(text)} is not up to 32 small letters, digits and \`-\``;
}

/** A codec by Asterisk's name. */
export const CODECS = ["alaw", "ulaw", "g722", "g729", "gsm", "opus"] as const;

export function faultOfCodec(text: string): string | undefined {
  return CODECS.some((one) => one === text) ? undefined : `${show(text)} is none of ${CODECS.join(", ")}`;
}

/** A phone's model as its maker writes it: it becomes part of a file's name. */
export function faultOfModel(text: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/.test(text) ? undefined : `${show(text)} is no name of a model`;
}

/** A gateway's or domain's name in SIP URIs: PJSIP holds names of 127 characters, and drops whatever has a longer one without a word. */
export function faultOfSipHost(text: string): string | undefined {
  return (
    faultOfHost(text) ??
    (text.length > 127 ? "is longer than 127 characters, which is all that Asterisk holds" : undefined)
  );
}

/** What we log in as at a gateway: PJSIP holds URIs of 255 characters, in which most signs take three each and more (RFC 3261 §25.1). */
export function faultOfSipUser(text: string): string | undefined {
  const wrong = faultOfSecret(text);
  if (wrong !== undefined) return wrong;
  return encodeURIComponent(text).length > 100 ? "is longer than 100 characters as a SIP URI has it" : undefined;
}
