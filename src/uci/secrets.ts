/**
 * Options that hold secrets on OpenWrt, by themselves or behind a `_`: their values are not shown unless asked for. From `key_url` the paper's probes fetch
 * their private key, and keep the place to themselves; `r0kh` holds a key of Wi-Fi, `pincode` a SIM card's, `faskey` a hotspot's, `community` SNMP's.
 */
const SECRET_OPTION =
  /^(?:credential|key_url|r[01]kh)$|(?:^|_)(?:(?:api|auth|fas|wpa)?key|community|pass|passgroup|passphrase|passwd|password|pin|pincode|psk|puk|pwd|secret|token)\d*$/i;

/** Whether the option is one whose value stays out of what people see. */
export function isSecretOption(name: string): boolean {
  return SECRET_OPTION.test(name) && !/public_key/i.test(name);
}

const URI = /\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s"'<>]+/gi;

/**
 * The text with what is secret in the URIs of it masked, wherever they stand in it: a password before the host, and what a query calls a secret or seems to have
 * been drawn at random. Host, path and all else stay to be read. The text as it is if there is none.
 */
export function withoutUriSecrets(text: string): string {
  return text.replace(URI, (uri) =>
    uri
      .replace(/(:\/\/)([^/?#@]*)@/, (_, sign: string, user: string) => `${sign}${withoutPassword(user)}@`)
      .replace(
        /([?&;#]([^=?&;#]+)=)([^&;#]+)/g,
        (_, head, name: string, value: string) => head + hidden(value, isSecretName(name)),
      ),
  );
}

/** The same of an option's value. */
export function maskedValue<Value extends string | readonly string[]>(value: Value): Value {
  // What a list is made of stays a list, and text stays text, which the compiler cannot see.
  return (typeof value === "string" ? withoutUriSecrets(value) : value.map(withoutUriSecrets)) as Value;
}

function withoutPassword(user: string): string {
  const [name = "", ...password] = user.split(":");
  const [shown, rest] = [hidden(name, false), password.join(":")];
  return rest === "" ? shown : `${shown}:${hidden(rest, true)}`;
}

function hidden(value: string, isSecret: boolean): string {
  // What is filled in later, as `[PASSWORD]` of ddns-scripts, and a macro, is none yet.
  return (isSecret || seemsRandom(value)) && !/^[[{].*[\]}]$/.test(value) ? "(secret)" : value;
}

function isSecretName(name: string): boolean {
  return /^(?:auth|sig)$/i.test(name) || isSecretOption(name.replaceAll("-", "_"));
}

/** Long, without a dot, of letters and digits; or a JSON Web Token. */
function seemsRandom(value: string): boolean {
  return /^(?=.*\d)(?=.*[a-z])[\w~+=-]{20,}$/i.test(value) || /^eyJ[\w-]+\./.test(value);
}
