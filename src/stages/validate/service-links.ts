import { type Origin, type PathChange, remove, symlink } from "../../changes.ts";

const RC = "/etc/rc.d";

/**
 * The links in /etc/rc.d that `/etc/init.d/NAME enable` and `disable` make and remove (openwrt/openwrt: package/base-files/files/etc/rc.common),
 * as changes. `known`: paths below /etc/rc.d that are there, or that uciprov set or removed earlier: what it removed must stay removed.
 */
export function bootLinks(
  name: string,
  isEnabled: boolean,
  script: string | undefined,
  known: readonly string[],
  origin: Origin,
): readonly PathChange[] {
  const [start, stop] = script === undefined ? [] : [orderIn(script, "START"), orderIn(script, "STOP")];
  const wanted = [start && `S${start}${name}`, stop && `K${stop}${name}`].filter((link) => link !== undefined);
  const all = [...new Set([...wanted, ...linksOf(name, known)])].sort();
  return all.map((link) =>
    isEnabled && wanted.includes(link)
      ? symlink(`${RC}/${link}`, `../init.d/${name}`, origin)
      : remove(`${RC}/${link}`, origin),
  );
}

/** The number behind `START=` or `STOP=`, as the script has it; the last one counts, as in the shell. */
export function orderIn(script: string, variable: "START" | "STOP"): string | undefined {
  const lines = [...script.matchAll(new RegExp(`^${variable}=(["']?)([0-9]{1,3})\\1[ \\t]*(?:[;#].*)?$`, "gm"))];
  return lines.at(-1)?.[2];
}

/** `S50name` and the like among paths below /etc/rc.d. */
export function linksOf(name: string, paths: readonly string[]): string[] {
  return paths
    .flatMap((path) => (path.startsWith(`${RC}/`) ? [path.slice(RC.length + 1)] : []))
    .filter((link) => /^[SK][0-9]{1,3}/.test(link) && link.replace(/^[SK][0-9]{1,3}/, "") === name);
}

/**
 * Packages whose `config.change` event makes procd reload the service by itself: the words of `procd_add_reload_trigger` and
 * `procd_add_config_trigger` in its script (openwrt/openwrt: package/system/procd/files/procd.sh). Only plain words are known.
 */
export function triggersIn(script: string): string[] {
  const reload = [...script.matchAll(/^[ \t]*procd_add_reload_trigger[ \t]+([^#;\n]*)/gm)].flatMap(([, words]) =>
    (words ?? "").split(/[ \t]+/),
  );
  const config = [
    ...script.matchAll(/^[ \t]*procd_add_config_trigger[ \t]+(["']?)config\.change\1[ \t]+([^ \t#;\n]+)/gm),
  ];
  return [...reload, ...config.map(([, , name]) => name ?? "")]
    .map((word) => word.replace(/^(["'])(.*)\1$/, "$2"))
    .filter((word) => /^[A-Za-z0-9_-]+$/.test(word));
}
