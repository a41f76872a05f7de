import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Change } from "../../api.ts";
import { isSecretOption, withoutUriSecrets } from "../../uci/diff.ts";
import { sectionLabels } from "../../uci/identity.ts";
import { expiry } from "./check-manifest.ts";
import type { ResourceShape } from "./resource-shapes.ts";
import type { Report } from "./rules.ts";
import type { TreeFile } from "./tree-files.ts";

/** Larger files are images and archives. */
const TEXT_LIMIT = 1_048_576;

const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;

/** `usign -G` and `signify -G`: a comment line, then base64 that begins with `Ed` and the name of the key derivation, `BK`. */
const SIGNING_KEY = /^untrusted comment:[^\n]*\n(RWRCS[A-Za-z0-9+/=]{100,})\s*$/;

/** A password that a gateway list holds, and the like. */
const JSON_SECRET = /"(password|secret|psk|token)"\s*:\s*"[^"]/g;

/** Whether this text, byte for byte, is a key that signs trees. */
export function isSecretSigningKey(text: string): boolean {
  return SIGNING_KEY.test(text);
}

/** What must not be published, in the file as it is; also how long its certificates hold. */
export function checkSecrets(file: TreeFile, shape: ResourceShape | undefined, now: number, report: Report): void {
  if (file.size > TEXT_LIMIT) return;
  const text = readFileSync(file.path).toString("latin1");
  if (isSecretSigningKey(text))
    report({ rule: "secret-signing-key", message: "a secret key that signs trees", file: file.name });
  const key = PRIVATE_KEY.exec(text);
  if (key !== null && shape?.isPersonal !== true)
    report({
      rule: "secret-private-key",
      message: "a private key that whoever fetches the tree has",
      file: file.name,
      line: lineOf(text, key.index),
    });
  const shared = file.name.endsWith(".json") && shape !== undefined && !shape.isPersonal ? text : "";
  for (const found of shared.matchAll(JSON_SECRET))
    report({
      rule: "secret-password",
      message: `${found[1]} is for whoever fetches the tree to read`,
      file: file.name,
      line: lineOf(text, found.index),
    });
  for (const found of text.matchAll(
    /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,16384}?-----END CERTIFICATE-----/g,
  )) {
    const soon = expiryOf(found[0], now);
    if (soon === undefined) continue;
    report({
      rule: "certificate-expiry",
      level: soon.level,
      message: `${soon.subject} ${soon.told}`,
      file: file.name,
      line: lineOf(text, found.index),
    });
  }
}

function expiryOf(pem: string, now: number) {
  try {
    const certificate = new X509Certificate(pem);
    const soon = expiry(Date.parse(certificate.validTo), now);
    return (
      soon && { ...soon, subject: JSON.stringify((certificate.subject ?? "").replaceAll("\n", ", ").slice(0, 100)) }
    );
  } catch {
    return undefined; // the module it is for tells what is wrong with it
  }
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

/** A pin of a chip. */
const NO_SECRETS: ReadonlySet<string> = new Set(["gpio_pin"]);

/** WireGuard's and the like: one key on two devices is wrong whoever can read it. */
const KEY_OPTION = /^(?:private_?key|priv_key)$/i;

/** What must not be shared among what a module makes of a file: keys and passwords in UCI, and files that other programs on the device could read. */
export function checkPlannedSecrets(
  changes: readonly Change[],
  file: TreeFile,
  shape: ResourceShape,
  report: Report,
): void {
  for (const change of changes) {
    if (change.kind === "file" && shape.module.name === "overlay")
      checkFile(change.path, change.mode, shape, file, report);
    if (change.kind !== "uci" || shape.isPersonal || change.package === "wireless") continue;
    if (!("sections" in change.layer.content)) continue;
    const { sections } = change.layer.content;
    const labels = sectionLabels(sections);
    for (const [i, section] of sections.entries()) {
      for (const { name, value } of section.options) {
        const inUri = [value].flat().some((one) => withoutUriSecrets(one) !== one);
        if (!inUri && (typeof value !== "string" || !isSecretOption(name) || NO_SECRETS.has(name) || isHarmless(value)))
          continue;
        const option = `${change.package}.${labels[i]}.${name}`;
        if (KEY_OPTION.test(name))
          report({
            rule: "secret-private-key",
            message: `${option} is the same on every device`,
            file: file.name,
            option,
          });
        else
          report({
            rule: "secret-password",
            message: `${option} is for whoever fetches the tree to read`,
            file: file.name,
            option,
          });
      }
    }
  }
}

/** Paths to keys, switches, rpcd's hint where a password is (`$p$root`), and what config_generate writes for somebody to fill in. */
function isHarmless(value: string): boolean {
  return /^(?:\/|\$p\$)/.test(value) || /^(?:[01]|on|off|yes|no|true|false|password|none)$/i.test(value);
}

const KEY_FILE =
  /(?:^|\/)(?:[^/]*\.key|id_(?:rsa|ecdsa|ed25519)|(?:dropbear|ssh)_[a-z0-9_]*host_[a-z0-9]*(?:_key)?|private\.pem)$/;
const PASSWORD_FILE = /^\/etc\/(?:shadow-?|ppp\/[a-z]+-secrets|ipsec\.secrets|swanctl\/secrets\.conf)$/;

function checkFile(path: string, mode: number, shape: ResourceShape, file: TreeFile, report: Report): void {
  const isKey = KEY_FILE.test(path);
  if (!isKey && !PASSWORD_FILE.test(path)) return;
  if ((mode & 0o077) !== 0)
    report({ rule: "secret-mode", message: `${path} has mode ${mode.toString(8).padStart(4, "0")}`, file: file.name });
  if (shape.isPersonal) return;
  if (isKey) report({ rule: "secret-private-key", message: `${path} is the same on every device`, file: file.name });
  else report({ rule: "secret-password", message: `${path} is for whoever fetches the tree to read`, file: file.name });
}
