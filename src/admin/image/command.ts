import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "../../commands/command.ts";
import { usageOf } from "../../commands/help.ts";
import { ProvisionError } from "../../errors.ts";
import { tellFinding } from "../../messages.ts";
import { readBounded } from "../read-bounded.ts";
import { quoted } from "../shell-word.ts";
import { layOut } from "./lay-out.ts";
import { type ImageWish, parseTargetFile } from "./target-file.ts";

const SIZE_LIMIT = 1_048_576;
const PROGRAM = "/usr/lib/uciprov/uciprov.cjs";

/** `image FILE [--out DIR]`: lays the FILES tree of a target file out, and prints what to call in an ImageBuilder. */
export const image: Command = async ({ words, options, flags, paint, print, tell }) => {
  const [file] = words;
  if (file === undefined) throw usageOf("image");
  const parsed = parseTargetFile(readBounded(file, SIZE_LIMIT), { file });
  const out = resolve(options.out ?? join(dirname(file), `${basename(file).replace(/\.[^.]*$/, "")}.files`));
  // The ImageBuilder's own Makefile has no quotes around it.
  if (!/^[\w./+@,=-]+$/.test(out)) {
    throw new ProvisionError("USAGE", `an ImageBuilder cannot take FILES from ${JSON.stringify(out)}: choose --out`);
  }
  const paths = layOut(parsed, dirname(resolve(file)), out);
  const make = recipe(parsed.wish, paths.includes(PROGRAM), out);
  for (const finding of parsed.warnings) tell(tellFinding(finding, paint));
  if (parsed.settings.main.trust === "any") tell(paint.warn("trust is `any`: whoever answers DHCP owns the device"));
  if (flags.isJson) {
    print(JSON.stringify({ exit: "provisioned", out, files: paths, make, warnings: parsed.warnings }));
    return "provisioned";
  }
  const { release, target } = parsed.wish;
  print(`# in the ImageBuilder of OpenWrt ${release} for ${target}; ${paths.length} files lie in ${out}`);
  // No value that gets here means anything to make: none holds a `$`.
  print(["make", ...make].map(quoted).join(" "));
  return "provisioned";
};

/** Arguments of make. Without the program among the files its package is wanted; with it, what that depends on. */
function recipe(wish: ImageWish, hasProgram: boolean, out: string): string[] {
  const wanted = hasProgram ? ["node", "ca-bundle"] : ["uciprov"];
  const packages = [...wanted.filter((name) => !wish.packages.includes(name)), ...wish.packages];
  const variables: readonly (readonly [string, string | undefined])[] = [
    ["PROFILE", wish.profile],
    ["PACKAGES", packages.join(" ")],
    ["FILES", out],
    ["EXTRA_IMAGE_NAME", wish.name],
    ["ROOTFS_PARTSIZE", wish.rootfsSize],
    ["DISABLED_SERVICES", wish.disabled.length > 0 ? wish.disabled.join(" ") : undefined],
  ];
  return ["image", ...variables.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))];
}
