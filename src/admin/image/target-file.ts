import type { Finding } from "../../api.ts";
import { asProvisionError, ProvisionError } from "../../errors.ts";
import { template } from "../../macros.ts";
import { readSettings, type Settings } from "../../settings.ts";
import { fromText, toText } from "../../uci/bytes.ts";
import { optionList, optionText, type UciOption, type UciPackage, type UciSection } from "../../uci/model.ts";
import { parsePackage } from "../../uci/parse.ts";

/** What is in an image, for which device and provider: a target file's section `config image`. */
export interface ImageWish {
  /** OpenWrt's release, such as 24.10.7. */
  readonly release: string;
  /** Target and subtarget, such as x86/64. */
  readonly target: string;
  readonly profile: string;
  /** What the image is called besides. */
  readonly name: string | undefined;
  readonly packages: readonly string[];
  /** Init scripts that the image does not start. */
  readonly disabled: readonly string[];
  /** Megabytes. */
  readonly rootfsSize: string | undefined;
  /** Paths as they stand in the file, relative to it. */
  readonly keys: readonly string[];
  readonly authorities: readonly string[];
  readonly modules: readonly string[];
  readonly folders: readonly string[];
}

export interface TargetFile {
  readonly wish: ImageWish;
  /** The device's own sections, as they will stand in /etc/config/uciprov. */
  readonly sections: readonly UciSection[];
  readonly settings: Settings;
  readonly warnings: readonly Finding[];
}

/** What an ImageBuilder's variable may hold: it goes through make and a shell, and neither has a quoting for all else. */
const WORDS: Readonly<Record<string, RegExp>> = {
  release: /^\d{2}\.\d{2}(?:\.\d{1,3})?(?:-rc\d{1,2}|-SNAPSHOT)?$|^SNAPSHOT$/,
  target: /^[a-z0-9_-]{1,40}\/[a-z0-9_-]{1,40}$/,
  profile: /^[A-Za-z0-9][A-Za-z0-9_.,-]{0,99}$/,
  name: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
  rootfs_size: /^[1-9]\d{0,5}$/,
  package: /^-?[a-z0-9][a-z0-9+._-]{0,99}$/i,
  disable: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
};
const PATHS = ["key", "ca", "module", "files"];
const NEEDED = ["release", "target", "profile"];

/**
 * Reads a target file: UCI's grammar; one section `config image` for the image, all others are the device's own settings.
 * TARGET_INVALID tells all faults at once; UCI_INVALID where it is no UCI.
 */
export function parseTargetFile(bytes: Uint8Array, { file }: { readonly file: string }): TargetFile {
  const parsed = parsePackage(bytes, { name: "uciprov", file });
  const faults: Finding[] = [];
  const fault = (message: string): void => {
    faults.push({ code: "TARGET_INVALID", severity: "error", message, place: { file } });
  };
  const images = parsed.sections.filter(({ type }) => type === "image");
  const sections = parsed.sections.filter(({ type }) => type !== "image");
  if (images.length !== 1) fault(`one section "config image" is wanted, and ${images.length} are there`);
  for (const { type } of sections) {
    if (!["uciprov", "macro", "resource"].includes(type)) fault(`"config ${type}" is no section of uciprov's`);
  }
  const wish = readWish(images[0], fault);
  const read = readOwn({ name: parsed.name, sections }, fault);
  const warnings = read?.findings ?? [];
  if (read !== undefined) judge(read.settings, wish, fault);
  if (faults.length > 0 || read === undefined) {
    throw new ProvisionError("TARGET_INVALID", `${faults.length} wrong in ${file}`, { findings: faults });
  }
  return { wish, sections, settings: read.settings, warnings };
}

function readWish(section: UciSection | undefined, fault: (message: string) => void): ImageWish {
  const one = (name: string): string | undefined => {
    const text = optionText(section, name);
    if (text === undefined) {
      if (section !== undefined && NEEDED.includes(name)) fault(`image.${name} is missing`);
    } else if (!WORDS[name]?.test(text)) fault(`image.${name}: ${JSON.stringify(text)} cannot be one`);
    return text;
  };
  const many = (name: string): string[] => {
    const items = optionList(section, name);
    for (const text of items) {
      if (!WORDS[name]?.test(text)) fault(`image.${name}: ${JSON.stringify(text)} cannot be one`);
    }
    return items;
  };
  const paths = (name: string): string[] => {
    const items = optionList(section, name);
    for (const text of items)
      if (/[\0-\x1f\x7f]/.test(text)) fault(`image.${name}: ${JSON.stringify(text)} is no path`);
    return items;
  };
  for (const { name } of section?.options ?? []) noteUnknown(name, fault);
  return {
    release: one("release") ?? "",
    target: one("target") ?? "",
    profile: one("profile") ?? "",
    name: one("name"),
    rootfsSize: one("rootfs_size"),
    packages: many("package"),
    disabled: many("disable"),
    keys: paths("key"),
    authorities: paths("ca"),
    modules: paths("module"),
    folders: paths("files"),
  };
}

function noteUnknown(name: UciOption["name"], fault: (message: string) => void): void {
  const text = toText(name);
  if (!(text in WORDS) && !PATHS.includes(text)) fault(`image.${text} is no option of an image`);
}

function readOwn(config: UciPackage, fault: (message: string) => void): ReturnType<typeof readSettings> | undefined {
  try {
    return readSettings(config);
  } catch (thrown) {
    for (const { message } of asProvisionError(thrown).findings) fault(message);
    return undefined;
  }
}

/** What a device would only find out when nobody stands beside it any more. */
function judge(settings: Settings, wish: ImageWish, fault: (message: string) => void): void {
  const templates: readonly (readonly [string, string | undefined])[] = [
    ["static.base_uri", settings.static.base_uri],
    ["https.uri", settings.https.uri],
    ["dnssec.name", settings.dnssec.name],
    ["dns.name", settings.dns.name],
    ...settings.resources.map(({ name, uri }) => [`resource ${name}`, uri] as const),
    ...settings.macros.map(({ name, value }) => [`macro ${name}`, value] as const),
  ];
  for (const [name, text] of templates) {
    try {
      if (text !== undefined) template(text);
    } catch (thrown) {
      fault(`${name}: ${asProvisionError(thrown).message}`);
    }
  }
  for (const name of ["-uciprov", "-node"])
    if (wish.packages.includes(name)) fault(`image.package: ${name} takes out what the image is for`);
  if (settings.main.trust === "signed" && wish.keys.length < settings.main.threshold) {
    fault(`main.trust is signed by ${settings.main.threshold}, and the image has ${wish.keys.length} keys`);
  }
}

/** The device's sections with these authorities among `main.ca`. */
export function withAuthorities(sections: readonly UciSection[], paths: readonly string[]): UciSection[] {
  if (paths.length === 0) return [...sections];
  const main = sections.find(({ type, name }) => type === "uciprov" && name === "main");
  const all = [...optionList(main, "ca"), ...paths].map(fromText);
  const options = (main?.options ?? []).filter(({ name }) => name !== "ca");
  const made = { type: "uciprov", name: "main", options: [...options, { name: "ca", value: all }] };
  return main ? sections.map((one) => (one === main ? made : one)) : [made, ...sections];
}
