/** Writing a manifest: the same content gives the same bytes, whatever order it came in. */
import { ProvisionError } from "../errors.ts";
import { type ManifestContent, nameFault, parseManifest } from "./manifest.ts";
import { printInstant } from "./manifest-headers.ts";

/** The bytes to publish and sign. MANIFEST_INVALID if reading them back would fail or say something else. */
export function printManifest(content: ManifestContent): Uint8Array {
  for (const time of [content.date, content.expires]) {
    if (time !== undefined && !Number.isInteger(time / 1000)) {
      throw new ProvisionError("MANIFEST_INVALID", "an instant is whole seconds");
    }
  }
  const names = [...content.entries.keys()].sort(byBytes);
  for (const name of names) {
    const reason = nameFault(name);
    if (reason !== undefined) throw new ProvisionError("MANIFEST_INVALID", `${JSON.stringify(name)}: ${reason}`);
  }
  const lines = [...headerLines(content), ...sizeLines(content, names)];
  for (const name of names) lines.push(`${content.entries.get(name)?.sha256}  ${name}`);

  // A value with a line of its own would be read back as something that nobody said.
  const broken = lines.find((line) => line.includes("\n"));
  if (broken !== undefined) throw new ProvisionError("MANIFEST_INVALID", `not one line: ${JSON.stringify(broken)}`);
  const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
  parseManifest(bytes, { file: "MANIFEST" });
  return bytes;
}

function headerLines(content: ManifestContent): string[] {
  const lines = ["# uciprov-manifest 1"];
  if (content.tree !== "") lines.push(`# tree ${content.tree}`);
  if (content.serial !== undefined) lines.push(`# serial ${content.serial}`);
  if (content.date !== undefined) lines.push(`# date ${printInstant(content.date)}`);
  if (content.expires !== undefined) lines.push(`# expires ${printInstant(content.expires)}`);
  if (content.successor !== undefined) lines.push(`# successor ${content.successor}`);
  if (content.rollout !== undefined) lines.push(`# rollout ${content.rollout}`);
  for (const { path, target, revision } of content.images.toSorted((a, b) => byBytes(a.path, b.path))) {
    lines.push(`# image ${path} target=${target} revision=${revision}`);
  }
  for (const { act, fingerprint } of content.keys.toSorted((a, b) => byBytes(a.fingerprint, b.fingerprint))) {
    lines.push(`# key ${act.toUpperCase()} ${fingerprint}`);
  }
  return lines;
}

function sizeLines(content: ManifestContent, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const size = content.entries.get(name)?.size;
    return size === undefined ? [] : [`# size ${name} ${size}`];
  });
}

/** As `LC_ALL=C sort` has it. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
