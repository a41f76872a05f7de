export type Level = "error" | "warning" | "note";

interface Rule {
  readonly level: Level;
  /** What is found, for docs and SARIF. */
  readonly meaning: string;
  /** What to do about it: one sentence, imperative. */
  readonly remedy: string;
}

/** Every rule of `tree lint`, once. Names are stable: CI jobs suppress and compare them; a single finding may be milder than its rule. */
export const RULES = {
  "uci-syntax": {
    level: "error",
    meaning: "A UCI file that no device could read.",
    remedy:
      "Correct the line: `config TYPE ['NAME']`, `option NAME 'VALUE'` or `list NAME 'VALUE'`, with closed quotes.",
  },
  "uci-unknown-section": {
    level: "warning",
    meaning: "A type of section that OpenWrt's own program does not look at.",
    remedy: "Correct the type; what reads this package passes over sections it does not know.",
  },
  "uci-unknown-option": {
    level: "warning",
    meaning: "An option that OpenWrt's own program does not look at.",
    remedy: "Correct the name or leave the option out; it has no effect as it is.",
  },
  "uci-wrong-type": {
    level: "error",
    meaning:
      "A value of another kind than OpenWrt's own program reads: no address, no number, a list where one value stands.",
    remedy: "Write a value of the kind that is told.",
  },
  "uci-said-twice": {
    level: "warning",
    meaning: "One file gives an option of one section two different values; the later one counts.",
    remedy: "Leave one of the two out.",
  },
  "layer-conflict": {
    level: "error",
    meaning: "Two layers of one device cannot both be true: a section has two types.",
    remedy: "Give the section the same type in both files, or another name in one of them.",
  },
  "layer-shadowed": {
    level: "note",
    meaning: "No device that gets this option keeps its value: a later layer says otherwise for every one of them.",
    remedy: "Leave it out of the earlier layer, if no other device is to come.",
  },
  archive: {
    level: "error",
    meaning: "An archive that devices refuse: damaged, unsafe, a bomb, or with something in it that cannot be placed.",
    remedy: "Pack it again with tar and gzip: relative names, plain files, folders and harmless links.",
  },
  "path-forbidden": {
    level: "error",
    meaning: "A file, link or deletion at a place no tree may write.",
    remedy: "Take the path out of the archive.",
  },
  content: {
    level: "error",
    meaning:
      "A key list, service list, package list, certificate file or gateway list that a device would refuse or partly ignore.",
    remedy: "Correct the line that is told.",
  },
  "too-large": {
    level: "error",
    meaning: "A file larger than devices take with these settings.",
    remedy: "Publish less, or raise `limits.small` or `limits.large` on the devices first.",
  },
  image: {
    level: "error",
    meaning:
      "A firmware image that is damaged, or whose metadata cannot be read (error); one that says nothing of itself, so that devices can only tell by its digest whether they run it (note).",
    remedy: "Copy the image again from where it was built; OpenWrt's own `sysupgrade` images have metadata.",
  },
  "image-board": {
    level: "warning",
    meaning: "A firmware image that does not say it supports the boards that would be offered it.",
    remedy: "Publish an image for each board, with `config resource 'image'` naming {board}, or correct the inventory.",
  },
  "manifest-invalid": {
    level: "error",
    meaning: "A MANIFEST that no device could read.",
    remedy: "Make it again with `uciprov tree sign`.",
  },
  "manifest-outdated": {
    level: "error",
    meaning: "A file is not what MANIFEST says, or is not there: every device would refuse the tree.",
    remedy: "Run `uciprov tree sign` after every change of a file.",
  },
  "manifest-unlisted": {
    level: "warning",
    meaning: "A file that MANIFEST does not list: devices act as if it were not there.",
    remedy: "Run `uciprov tree sign`, or take the file away.",
  },
  "manifest-expiry": {
    level: "error",
    meaning: "A manifest that has expired (error), or will within 30 days (warning).",
    remedy: "Sign the tree again with a later `--expires`.",
  },
  signature: {
    level: "error",
    meaning:
      "MANIFEST.sig is missing (warning), unreadable, or not made by a key given with `--key` over this MANIFEST.",
    remedy: "Run `uciprov tree sign` with the right key.",
  },
  "certificate-expiry": {
    level: "error",
    meaning: "A certificate in the tree that has expired (error), or will within 30 days (warning).",
    remedy: "Renew the certificate.",
  },
  "secret-signing-key": {
    level: "error",
    meaning: "A secret key of usign or signify lies in the tree: who fetches it can sign trees.",
    remedy: "Take it out at once, make a new key, and let a signed `# key` line replace it on the devices.",
  },
  "secret-private-key": {
    level: "error",
    meaning: "A private key in a file that is not one device's own.",
    remedy: "Give each device its own key in `{mac}.uci` or `certs/{mac}.pem`, or let the device make it.",
  },
  "secret-password": {
    level: "warning",
    meaning:
      "A password, token or shared secret in a file that is not one device's own. Wi-Fi keys are not told: a fleet shares them.",
    remedy: "Move it into the files of the devices that need it, and have the server ask for client certificates.",
  },
  "secret-mode": {
    level: "warning",
    meaning: "A private key or password file that every program on the device could read.",
    remedy: "Pack it with mode 0600.",
  },
  unreachable: {
    level: "warning",
    meaning: "No device can ever ask for this file: no resource of any device of the inventory has this name.",
    remedy: "Correct the name, add the device to the inventory, or take the file away.",
  },
  unconfigured: {
    level: "warning",
    meaning: "A device of the inventory for which the tree holds nothing.",
    remedy: "Add `default.uci` or a file for the device, or take it out of the inventory.",
  },
  "macro-missing": {
    level: "error",
    meaning: "A resource's URI uses a macro that devices do not have: their runs would fail.",
    remedy:
      "Give the macro a column in the inventory and `config macro` on the devices, or a default: `{site|default=lab}`.",
  },
  unsettled: {
    level: "error",
    meaning:
      "The tree changes the hostname that its own file names use, again and again: the device refuses it after three passes.",
    remedy: "Name the files by {mac}, or let the file of the new hostname say the same hostname.",
  },
  "name-case": {
    level: "warning",
    meaning: "Two names that differ in upper and lower case only: on some servers and disks they are one file.",
    remedy: "Rename one of them.",
  },
  "name-invalid": {
    level: "error",
    meaning: "A name that cannot stand in MANIFEST.",
    remedy: "Rename the file.",
  },
  "not-a-file": {
    level: "warning",
    meaning:
      "A link or something else that is no plain file: it is not signed, and servers differ in what they make of it.",
    remedy: "Put a copy of the file there.",
  },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;

/**
 * One thing found; `file` is relative to the tree (or the inventory's own name), line and byte count from 1. `option` is a path in UCI, `network.lan.mtu` or
 * `network.lan`, of which the place in the file is still to be looked up.
 */
export interface LintFinding {
  readonly rule: RuleName;
  readonly level: Level;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly byte?: number;
  readonly option?: string;
}

export type Report = (finding: Omit<LintFinding, "level"> & { readonly level?: Level }) => void;
