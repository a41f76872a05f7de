/** What DHCP said to probes: 225 names the collector, 226 where certificate and key are. Kept by the drop-in of udhcpc, judged here. */
import type { Files } from "../api.ts";
import { RAM_FOLDER } from "../ram-folder.ts";
import { isHost, type PlainUri, parseUri } from "../uri.ts";
import { strictUtf8 } from "../utf8.ts";

const FOLDER = `${RAM_FOLDER}/dhcp`;
const OPTIONS = { server: "opt225", keyUrl: "opt226" } as const;

/**
 * The first URI of that kind in any lease that is https and of a host the settings allow; undefined if there is none. Anybody in the network can answer DHCP: it may choose among what
 * the owner allows, and never whom to believe.
 */
export function leased(files: Files, what: keyof typeof OPTIONS, hosts: readonly string[]): PlainUri | undefined {
  if (hosts.length === 0) return undefined;
  for (const name of files.list(FOLDER)) {
    const bytes = name.endsWith(".v4") ? files.readBytes(`${FOLDER}/${name}`, 65_536) : undefined;
    const uri = uriIn(valueIn(bytes, OPTIONS[what]));
    if (uri?.scheme === "https" && hosts.some((host) => isHost(host, uri.host))) return uri;
  }
  return undefined;
}

/** `NAME=VALUE`, each ended by a zero byte; udhcpc writes options it has no name for as hex. */
function valueIn(bytes: Uint8Array | undefined, name: string): string | undefined {
  const text = Buffer.from(bytes ?? []).toString("latin1");
  const entry = text.split("\0").find((one) => one.startsWith(`${name}=`));
  const hex = entry?.slice(name.length + 1) ?? "";
  if (!/^(?:[0-9a-fA-F]{2}){1,255}$/.test(hex)) return undefined;
  return strictUtf8(Buffer.from(hex, "hex"))?.replace(/\0+$/, "");
}

function uriIn(text: string | undefined): PlainUri | undefined {
  try {
    return text === undefined ? undefined : parseUri(text, "DHCP");
  } catch {
    return undefined;
  }
}
