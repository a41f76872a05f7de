/** What a run can end as; the number is the exit status, the name stands in `--json` (design: the same everywhere). */
export const EXIT = {
  provisioned: 0,
  failed: 1,
  usage: 2,
  "no-uri": 3,
  "trust-refused": 4,
  "invalid-content": 5,
  "rolled-back": 6,
  busy: 7,
  "try-later": 8,
} as const;

export type ExitName = keyof typeof EXIT;

interface ErrorKind {
  readonly exit: ExitName;
  /** What the reader can do about it: one sentence, imperative. */
  readonly remedy: string;
}

/**
 * Every way a run can fail. Codes are stable: scripts and dashboards compare them; the words may change.
 * `try-later` errors are worth another try as they are; all others wait until something changes.
 */
export const ERRORS = {
  INTERNAL: { exit: "failed", remedy: "Report this with the stack: it is a fault of uciprov." },
  STOPPED: { exit: "failed", remedy: "Nothing: the run was asked to stop and left the device as it was." },
  SETTINGS_INVALID: { exit: "failed", remedy: "Correct the option in /etc/config/uciprov." },
  GUARD_INVALID: {
    exit: "failed",
    remedy: "Correct the member of /etc/beesip/guard.json, or in /etc/config/beesip what it is made of.",
  },
  FILE_UNREADABLE: { exit: "failed", remedy: "Look whether the file is there, and at its type, size and rights." },
  FILE_UNWRITABLE: { exit: "failed", remedy: "Look at the folder's rights, and whether its disk is full." },
  NO_SPACE: { exit: "failed", remedy: "Free space on the overlay, or publish less." },
  JOURNAL_INVALID: {
    exit: "failed",
    remedy: "Look at /lib/uciprov/tx; `uciprov reset --transaction` discards it if the device is as you want it.",
  },
  STATE_INVALID: {
    exit: "failed",
    remedy: "Look at the file in /etc/uciprov/state; `uciprov reset` makes the device forget it all.",
  },
  GENERATION_UNKNOWN: { exit: "failed", remedy: "Choose one that `uciprov history` lists." },
  HOOK_FAILED: { exit: "failed", remedy: "Look at the module's own output in the log." },
  HOOK_TIMEOUT: { exit: "failed", remedy: "Make the hook faster, or raise its deadline." },
  HOOK_VETO: { exit: "failed", remedy: "A module refused this plan; its message says why." },
  PACKAGES_FAILED: {
    exit: "failed",
    remedy: "Correct the name in `packages`, or install by hand and look at what the package manager says.",
  },
  COMMAND_FAILED: { exit: "failed", remedy: "Run the command by hand and look at what it prints." },

  FIRMWARE_FAILED: {
    exit: "failed",
    remedy: "Look at what sysupgrade printed; after two tries the image is left out until another one is published.",
  },

  USAGE: { exit: "usage", remedy: "See `uciprov help`, or the command with `--help`." },

  NO_URI: {
    exit: "no-uri",
    remedy: "Publish a TXT record `provuri=…`, or set uciprov.static.base_uri; `uciprov explain` shows who was asked.",
  },

  UNTRUSTED: {
    exit: "trust-refused",
    remedy: "Sign the tree with a key the device holds in /etc/uciprov/keys, or serve it over TLS from an own source.",
  },
  NOT_THE_OWNER: {
    exit: "trust-refused",
    remedy: "This device belongs to another tree. `uciprov reset` or a factory reset lets it go.",
  },
  LATCH_INVALID: {
    exit: "trust-refused",
    remedy: "Restore /etc/uciprov/state from a backup, or let the owner go by `uciprov reset`.",
  },
  SIGNATURE_MISSING: { exit: "trust-refused", remedy: "Publish MANIFEST.sig beside MANIFEST: `uciprov tree sign`." },
  SIGNATURE_WRONG: {
    exit: "trust-refused",
    remedy: "Sign MANIFEST again with a key of /etc/uciprov/keys; if you did not change it, somebody else did.",
  },
  SIGNATURES_TOO_FEW: { exit: "trust-refused", remedy: "Let the other signers add their signatures to MANIFEST.sig." },
  KEY_INVALID: { exit: "trust-refused", remedy: "Replace the key file by one that `usign -G` made." },
  SERIAL_LOWER: { exit: "trust-refused", remedy: "Publish with a serial higher than the device has seen." },
  SERIAL_REUSED: { exit: "trust-refused", remedy: "Raise `# serial`: this one was used for another manifest." },
  MANIFEST_EXPIRED: { exit: "trust-refused", remedy: "Sign the manifest again with a later `# expires`." },
  DIGEST_MISMATCH: { exit: "trust-refused", remedy: "Run `uciprov tree sign` after every change of a file." },
  TLS_UNTRUSTED: {
    exit: "trust-refused",
    remedy: "Give the device the server's CA: `list ca` in /etc/config/uciprov.",
  },
  TLS_EXPIRED: { exit: "trust-refused", remedy: "Renew the server's certificate." },
  TLS_NAME: { exit: "trust-refused", remedy: "Use a name the server's certificate holds." },
  TLSA_MISMATCH: {
    exit: "trust-refused",
    remedy: "Publish the TLSA record of the server's present key, or look for who answers in its place.",
  },
  REDIRECT_INSECURE: { exit: "trust-refused", remedy: "Let the server redirect to https only." },
  DNSSEC_BOGUS: { exit: "trust-refused", remedy: "Repair the zone's signatures, or look for who alters the answers." },

  DNSSEC_UNSIGNED: {
    exit: "trust-refused",
    remedy: "Sign the zone and publish its DS, pin it by `list anchor`, or let plain dns ask for the name.",
  },

  URI_INVALID: { exit: "invalid-content", remedy: "Write an absolute http or https URI without user and password." },
  URI_AMBIGUOUS: { exit: "invalid-content", remedy: "Publish one provuri at this name; the same one twice is fine." },
  MACRO_INVALID: { exit: "invalid-content", remedy: "See `uciprov macros` for the names and docs/admin for the form." },
  MACRO_UNKNOWN: { exit: "invalid-content", remedy: "See `uciprov macros` for the names this device has." },
  MACRO_CYCLE: { exit: "invalid-content", remedy: "Break the circle of macros that name one another." },
  UCI_INVALID: { exit: "invalid-content", remedy: "Correct the line; `uciprov tree lint` finds these beforehand." },
  UCI_CONFLICT: { exit: "invalid-content", remedy: "Let one of the two set the option." },
  MANIFEST_INVALID: {
    exit: "invalid-content",
    remedy: "Make it with `uciprov tree sign`, or as `sha256sum` prints it.",
  },
  INVENTORY_INVALID: {
    exit: "invalid-content",
    remedy: "Correct the lines; CSV needs a header line, JSON is an array of flat objects.",
  },
  TARGET_INVALID: { exit: "invalid-content", remedy: "Correct what is named; docs/packager.md shows a target file." },
  KEYS_INVALID: { exit: "invalid-content", remedy: "Write one OpenSSH public key a line." },
  ARCHIVE_INVALID: { exit: "invalid-content", remedy: "Pack it again with tar and gzip." },
  ARCHIVE_UNSAFE: {
    exit: "invalid-content",
    remedy: "Pack relative names, plain files, folders and harmless links only.",
  },
  TOO_LARGE: { exit: "invalid-content", remedy: "Publish less, or raise the limit in /etc/config/uciprov." },
  IMAGE_INVALID: {
    exit: "invalid-content",
    remedy: "Publish the sysupgrade image made for this board and target, and name it by an `# image` line.",
  },
  PATH_FORBIDDEN: { exit: "invalid-content", remedy: "A tree may not write there; take the path out of it." },
  PLAN_INVALID: { exit: "invalid-content", remedy: "Mend what is listed; `uciprov plan` shows it again." },
  TREE_UNSETTLED: {
    exit: "invalid-content",
    remedy: "Let the tree not change the macro that its own URIs use, nor go back on which resources are asked for.",
  },
  HTTP_NOT_FOUND: { exit: "invalid-content", remedy: "Publish the file, or take it out of MANIFEST." },
  HTTP_REFUSED: {
    exit: "invalid-content",
    remedy: "Let the web server give this URI out: without a password, from a file and folders that its user may read.",
  },
  HTTP_ODD: { exit: "invalid-content", remedy: "Serve the file plainly: status 200, no content encoding." },
  REDIRECT_LOOP: { exit: "invalid-content", remedy: "Correct the web server's redirections." },

  APPLY_FAILED: { exit: "rolled-back", remedy: "The old configuration is back; the cause says what was in the way." },
  SERVICE_FAILED: {
    exit: "rolled-back",
    remedy:
      "The old configuration is back; run `/etc/init.d/NAME restart` with the new one by hand and look at `logread`.",
  },
  NOT_CONFIRMED: {
    exit: "rolled-back",
    remedy: "The new configuration cut the device off and was taken back; look at network and firewall in the tree.",
  },
  PARTLY_CONFIRMED: {
    exit: "rolled-back",
    remedy: "Mend what is named; all else of the tree holds, and this stays out until the tree changes.",
  },
  GENERATION_BAD: { exit: "rolled-back", remedy: "This tree failed before; publish a changed one." },

  BUSY: { exit: "busy", remedy: "Wait for the other run, or look at `uciprov status`." },

  NOT_READY: { exit: "try-later", remedy: "Nothing: the run starts again when the network is up." },
  CLOCK_WRONG: {
    exit: "try-later",
    remedy: "Let the device reach an NTP server; it tries again when the clock is set.",
  },
  DNS_FAILED: { exit: "try-later", remedy: "Look at the name server; the device tries again." },
  DNS_TIMEOUT: { exit: "try-later", remedy: "Look whether the name server is reachable; the device tries again." },
  CONNECT_FAILED: { exit: "try-later", remedy: "Look whether the server is up and reachable; the device tries again." },
  HTTP_TIMEOUT: { exit: "try-later", remedy: "Look why the server is slow; the device tries again." },
  HTTP_UNAVAILABLE: { exit: "try-later", remedy: "Look at the web server's log; the device tries again." },
  PORTAL: { exit: "try-later", remedy: "Log in at the captive portal, or let the device past it." },
  TRUNCATED: { exit: "try-later", remedy: "Look at the web server and the path to it; the device tries again." },
  PACKAGES_UNAVAILABLE: {
    exit: "try-later",
    remedy: "Look whether the package feeds are reachable (`opkg update`, `apk update`); the device tries again.",
  },
  DEVICE_CHANGED: {
    exit: "try-later",
    remedy: "Look what keeps writing the file; the device tries again.",
  },
  HOOK_TRY_LATER: { exit: "try-later", remedy: "Nothing: a module asked to try again later." },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** Where something is: any of file or URI, line and byte (1-based), option; only what is known. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly byte?: number;
  readonly option?: string;
}

/** A fault in what was published or set, collected with others of its kind and told together. */
export interface Finding {
  readonly code: ErrorCode;
  readonly message: string;
  readonly place?: Place;
  readonly severity: "error" | "warning" | "note";
}

interface ErrorFacts {
  readonly cause?: unknown;
  readonly place?: Place;
  readonly findings?: readonly Finding[];
  /** Not before this many seconds from now (HTTP Retry-After). */
  readonly retryAfter?: number;
}

/**
 * A failure uciprov knows: a stable code, what was being done, where, and why (`cause`).
 * The exit status and the remedy follow from the code alone.
 */
export class ProvisionError extends Error {
  override readonly name = "ProvisionError";
  readonly code: ErrorCode;
  readonly place: Place | undefined;
  readonly findings: readonly Finding[];
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.place = facts.place;
    this.findings = facts.findings ?? [];
    this.retryAfter = facts.retryAfter;
  }

  get exit(): ExitName {
    return ERRORS[this.code].exit;
  }

  get mayRetry(): boolean {
    return this.exit === "try-later";
  }
}

/** The known error in `thrown`, or `INTERNAL` around it, so that callers need to know one kind only. */
export function asProvisionError(thrown: unknown): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ProvisionError("INTERNAL", message, { cause: thrown });
}
