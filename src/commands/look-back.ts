import type { Files } from "../api.ts";
import { type Blame, blame as blameFor } from "../blame.ts";
import { ProvisionError } from "../errors.ts";
import { openDisk } from "../host/disk.ts";
import { generationPaths, listGenerations, readGenerationFile } from "../transaction/generations.ts";
import { diffPackages, isSecretOption, maskedValue, printDiff, type UciDiff } from "../uci/diff.ts";
import { parsePackage } from "../uci/parse.ts";
import { redactUri } from "../uri.ts";
import type { Command, Invocation } from "./command.ts";
import { diffPaint, isForAllToRead, lineDiff, withoutSecrets } from "./tell-plan.ts";

/** Who set an option, a section, a package or a file. */
export const blame: Command = async ({ root, words, flags, paint, print }) => {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) {
    throw new ProvisionError(
      "USAGE",
      "uciprov blame takes an option (network.wan.proto), a section, a package or a path",
    );
  }
  const found = blameFor(openDisk(root), word).map((one) => (flags.showsSecrets ? one : masked(one)));
  if (flags.isJson) print(JSON.stringify(found));
  else for (const one of found) print(tellBlame(one, paint));
  return "provisioned";
};

function masked(one: Blame): Blame {
  const option = one.path.startsWith("/") ? "" : (one.path.split(".").at(-1) ?? "");
  const { value, set, ...rest } = one;
  const mask = (text: NonNullable<Blame["value"]>) => (isSecretOption(option) ? "…" : maskedValue(text));
  return {
    ...rest,
    ...(value === undefined ? {} : { value: mask(value) }),
    ...(set === undefined ? {} : { set: mask(set) }),
  };
}

function tellBlame({ path, by, value, set, origin }: Blame, paint: Invocation["paint"]): string {
  const is = value === undefined ? paint.quiet("is not there") : `= ${shown(value)}`;
  const from = origin === undefined ? "uciprov, which did not note for whom" : tellOrigin(origin);
  const why = {
    tree: from,
    drifted: paint.warn(
      `changed on the device since; ${set === undefined ? "taken away" : `set to ${shown(set)}`} by ${from}`,
    ),
    device: paint.quiet("the device's own, or a person's"),
    nobody: paint.quiet("uciprov did not take it away"),
  }[by];
  return `${paint.strong(path)} ${is}  ${why}`;
}

function shown(value: string | readonly string[]): string {
  return JSON.stringify(value);
}

function tellOrigin({ module, uri, signer, generation, at }: NonNullable<Blame["origin"]>): string {
  const what = uri === undefined ? `module ${module}` : `${redactUri(uri)} (module ${module})`;
  const key = signer === undefined ? "" : `, signed by ${signer}`;
  return `${what}${key}, generation ${generation}, ${when(at)}`;
}

/** As it was noted; a record that was damaged may say anything. */
function when(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? "at an unknown time" : time.toISOString();
}

/** What the core keeps for itself is no configuration. */
const OWN = /^\/etc\/uciprov\/state(?:\/|$)/;
const LIMIT = 16_777_216;
const TOLD_LIMIT = 16_384;

/** What changed from one generation to another, by default to the one the device is in. */
export const diff: Command = async ({ root, words, flags, paint, print }) => {
  const disk = openDisk(root);
  const [from, to] = numbersIn(words, listGenerations(disk)[0]?.number);
  const compared = generationPaths(disk, Math.min(from, to))
    .filter((path) => !OWN.test(path))
    .flatMap((path) => compare(disk, path, from, to));
  if (flags.isJson) {
    const changes = compared.map(({ text: _, ...one }) =>
      one.uci && !flags.showsSecrets ? { ...one, uci: withoutSecrets(one.uci) } : one,
    );
    print(JSON.stringify({ from, to, changes }));
    return "provisioned";
  }
  if (compared.length === 0) print(`generations ${from} and ${to} are the same`);
  for (const { path, act, uci, text } of compared) {
    print(`${paint.strong(path)} ${act}`);
    if (uci) print(printDiff(uci, diffPaint(paint), { showSecrets: flags.showsSecrets }).trimEnd());
    const isShown = flags.showsSecrets || isForAllToRead(path, disk.stat(path)?.mode);
    if (text && isShown) for (const line of lineDiff(text, paint, flags)) print(line);
  }
  return "provisioned";
};

function numbersIn(words: readonly string[], newest: number | undefined): [number, number] {
  const [one, other, ...more] = words;
  if (one === undefined || more.length > 0 || !words.every((word) => /^\d{1,9}$/.test(word))) {
    throw new ProvisionError(
      "USAGE",
      "uciprov diff takes the numbers of one or two generations; 0 is before the first",
    );
  }
  if (newest === undefined) throw new ProvisionError("GENERATION_UNKNOWN", "no generation is kept");
  const numbers: [number, number] = [Number(one), Number(other ?? newest)];
  const beyond = numbers.find((number) => number > newest);
  if (beyond !== undefined) throw new ProvisionError("GENERATION_UNKNOWN", `there is no generation ${beyond} yet`);
  return numbers;
}

interface Compared {
  readonly path: string;
  readonly act: "new" | "changed" | "removed";
  readonly uci?: UciDiff;
  readonly text?: { readonly before: string; readonly after: string };
}

function compare(disk: Files, path: string, from: number, to: number): readonly Compared[] {
  const [before, after] = [from, to].map((number) => readGenerationFile(disk, number, path, LIMIT));
  if (before !== undefined && after !== undefined && Buffer.compare(before, after) === 0) return [];
  if (before === undefined && after === undefined) return [];
  const act = before === undefined ? "new" : after === undefined ? "removed" : "changed";
  const name = /^\/etc\/config\/([^/]+)$/.exec(path)?.[1];
  const uci = name === undefined ? undefined : uciDiff(name, before, after);
  if (uci !== undefined) return [{ path, act, uci }];
  const isPrivate = ((disk.stat(path)?.mode ?? 0o600) & 0o077) === 0;
  const isText = [before, after].every((one) => one === undefined || (one.length <= TOLD_LIMIT && !one.includes(0)));
  const text = { before: asText(before), after: asText(after) };
  return [isPrivate || !isText ? { path, act } : { path, act, text }];
}

function asText(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? new Uint8Array()).toString("utf8");
}

/** Undefined if one of them is no UCI: then it is compared like any other file. */
function uciDiff(name: string, before: Uint8Array | undefined, after: Uint8Array | undefined): UciDiff | undefined {
  const parse = (bytes: Uint8Array | undefined) => bytes && parsePackage(bytes, { name, file: `/etc/config/${name}` });
  try {
    return diffPackages(parse(before), parse(after));
  } catch {
    return undefined;
  }
}
