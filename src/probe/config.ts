import type { Files, ProbeConfig } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { asObject, numberOf, textOf } from "../json-fields.ts";
import { PROBE_FILE } from "../probe-file.ts";

/** What the module `monitoring` wrote; undefined: the device is no probe. SETTINGS_INVALID for a file of another form. */
export function readConfig(files: Files): ProbeConfig | undefined {
  const text = files.read(PROBE_FILE, 65_536);
  if (text === undefined) return undefined;
  try {
    const from = asObject(JSON.parse(text));
    if (from["version"] !== 1) throw new TypeError("another version than 1");
    const optional = (name: string) => (from[name] === undefined ? undefined : textOf(from, name));
    const hosts = from["hosts"];
    const [server, keyUrl, ca, sample] = ["server", "keyUrl", "ca", "sample"].map(optional);
    return {
      version: 1,
      ...(server === undefined ? {} : { server }),
      hosts: Array.isArray(hosts) ? hosts.map(String) : [],
      ...(keyUrl === undefined ? {} : { keyUrl }),
      cert: textOf(from, "cert"),
      key: textOf(from, "key"),
      ...(ca === undefined ? {} : { ca }),
      ...(sample === undefined ? {} : { sample }),
      name: textOf(from, "name"),
      port: numberOf(from, "port"),
      spoolBytes: numberOf(from, "spoolBytes"),
      conceals: from["conceals"] === true,
    };
  } catch (cause) {
    throw new ProvisionError(
      "SETTINGS_INVALID",
      `${PROBE_FILE} is not of this program's form: run \`uciprov run --force\``,
      {
        cause,
        place: { file: PROBE_FILE },
      },
    );
  }
}
