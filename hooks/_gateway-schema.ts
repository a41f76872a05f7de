/** Gateways and routes to them, as sections of /etc/config/beesip and as the gateway list have them. `docs/pbx.md` is compared with these tables. */
import { faultOfLabel, faultOfNetwork, faultOfSecret } from "./_checks.ts";
import { choice, flag, list, needed, number, text, type ValuesOf, word } from "./_options.ts";
import {
  faultOfCodec,
  faultOfDigits,
  faultOfId,
  faultOfPrefix,
  faultOfPrepend,
  faultOfSipHost,
  faultOfSipUser,
} from "./_pbx-checks.ts";

export const TRANSPORTS = ["udp", "tcp", "tls"] as const;
export const GATEWAY = {
  id: needed("Its name in routes.", faultOfId),
  enabled: flag(true, "Whether calls go there."),
  host: needed("Name or address.", faultOfSipHost),
  port: number(undefined, 1, 65_535, "5060, or 5061 for TLS."),
  transport: choice(TRANSPORTS, "udp", "How SIP gets there."),
  codec: list([], "Codecs; those of the exchange if none.", faultOfCodec),
  match: list([], "Addresses and networks its calls come from; the host if none.", faultOfNetwork),
  username: text("What we log in there as.", faultOfSipUser),
  password: text("And the password.", faultOfSecret),
  register: flag(false, "Whether we register there."),
  srtp: choice(["none", "sdes"], "none", "Whether media is encrypted."),
  max_calls: number(undefined, 1, 10_000, "Calls at a time; no bound if not set. Asterisk alone counts them."),
  qualify: number(60, 0, 3600, "Seconds between looks whether it is alive; 0 never looks."),
};

export const ROUTE = {
  prefix: needed("International prefix with `+`; or a whole number as it is dialled, such as `112`.", (given) =>
    faultOfPrefix(given) !== undefined && faultOfDigits(given) !== undefined ? faultOfPrefix(given) : undefined,
  ),
  label: text("For people.", faultOfLabel),
  min_digits: number(
    undefined,
    1,
    15,
    "Fewest digits of a whole number, country code included; those of the prefix if not set.",
  ),
  max_digits: number(15, 1, 15, "Most digits of it."),
  strip: number(0, 0, 16, "How many characters are taken off the front for the gateway, `+` included."),
  prepend: word("", "And what is put there.", faultOfPrepend),
  gateway: list([], "Gateways by id, the first that is alive takes the call.", faultOfId),
};

/** A gateway, from UCI or from the list. */
export type Gateway = ValuesOf<typeof GATEWAY>;
/** Where calls with a prefix go, from UCI or from the list. */
export type Route = ValuesOf<typeof ROUTE>;
