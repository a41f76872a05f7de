/** The comment lines of a manifest that mean something, each with its one form. */
import { LONGEST_ROLLOUT, type Rollout } from "./rollout.ts";

/** `# image PATH target=… revision=…`: which release the firmware at PATH is. */
export interface ManifestImage {
  readonly path: string;
  readonly target: string;
  readonly revision: string;
}

/** `# key ADD|REMOVE FINGERPRINT`; the file of an added key is listed as `keys/FINGERPRINT`. */
export interface ManifestKey {
  readonly act: "add" | "remove";
  readonly fingerprint: string;
}

/** What the lines said so far; the headers write into it. */
export interface ManifestDraft {
  version?: number;
  tree?: string;
  serial?: number;
  date?: number;
  expires?: number;
  successor?: string;
  rollout?: Rollout;
  readonly digests: Map<string, string>;
  /** With the line that says so, since the file it names comes later. */
  readonly sizes: Map<string, { readonly size: number; readonly line: number }>;
  readonly images: (ManifestImage & { readonly line: number })[];
  readonly keys: (ManifestKey & { readonly line: number })[];
}

interface Header {
  /** As documented and as told to who wrote it wrong. */
  readonly form: string;
  readonly shape: RegExp;
  /** Takes the values over, or says what is wrong with them. */
  take(values: readonly string[], draft: ManifestDraft, line: number): string | undefined;
}

const TWICE = "said twice";
/** Images and keys of one tree; each line is compared with those before it. */
const MOST_LINES = 256;
const NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
const INSTANT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z";

/** What `# tree` may say. */
export const TREE_NAME = new RegExp(`^${NAME}$`);

export const HEADERS: Readonly<Record<string, Header>> = {
  "uciprov-manifest": {
    form: "# uciprov-manifest 1",
    shape: /^# uciprov-manifest ([0-9]{1,9})$/,
    take([version], draft) {
      if (draft.version !== undefined) return TWICE;
      draft.version = Number(version);
      return version === "1" ? undefined : `version ${version} is newer than this uciprov`;
    },
  },
  tree: {
    form: "# tree NAME (1 to 64 letters, digits, `.`, `_`, `-`)",
    shape: new RegExp(`^# tree (${NAME})$`),
    take([name = ""], draft) {
      if (draft.tree !== undefined) return TWICE;
      draft.tree = name;
      return undefined;
    },
  },
  serial: {
    form: "# serial NUMBER",
    shape: /^# serial (0|[1-9][0-9]{0,15})$/,
    take([digits], draft) {
      if (draft.serial !== undefined) return TWICE;
      draft.serial = Number(digits);
      return Number.isSafeInteger(draft.serial) ? undefined : "larger than 2^53 - 1";
    },
  },
  date: {
    form: "# date 2026-01-31T12:00:00Z",
    shape: new RegExp(`^# date (${INSTANT})$`),
    take([instant = ""], draft) {
      if (draft.date !== undefined) return TWICE;
      draft.date = milliseconds(instant);
      return Number.isNaN(draft.date) ? "no such day or time" : undefined;
    },
  },
  expires: {
    form: "# expires 2027-01-31T12:00:00Z",
    shape: new RegExp(`^# expires (${INSTANT})$`),
    take([instant = ""], draft) {
      if (draft.expires !== undefined) return TWICE;
      draft.expires = milliseconds(instant);
      return Number.isNaN(draft.expires) ? "no such day or time" : undefined;
    },
  },
  successor: {
    form: "# successor NAME",
    shape: new RegExp(`^# successor (${NAME})$`),
    take([name = ""], draft) {
      if (draft.successor !== undefined) return TWICE;
      draft.successor = name;
      return undefined;
    },
  },
  rollout: {
    form: `# rollout HOURS|hold (at most ${LONGEST_ROLLOUT} hours)`,
    shape: /^# rollout (hold|0|[1-9][0-9]{0,2})$/,
    take([value], draft) {
      if (draft.rollout !== undefined) return TWICE;
      draft.rollout = value === "hold" ? "hold" : Number(value);
      return value === "hold" || Number(value) <= LONGEST_ROLLOUT ? undefined : `more than ${LONGEST_ROLLOUT} hours`;
    },
  },
  size: {
    form: "# size PATH BYTES",
    shape: /^# size (.+) (0|[1-9][0-9]{0,15})$/s,
    take([path = "", digits], draft, line) {
      if (draft.sizes.has(path)) return TWICE;
      draft.sizes.set(path, { size: Number(digits), line });
      return Number.isSafeInteger(Number(digits)) ? undefined : "larger than 2^53 - 1";
    },
  },
  image: {
    form: "# image PATH target=TARGET/SUBTARGET revision=REVISION",
    shape: /^# image (.+) target=([!-~]{1,64}) revision=([!-~]{1,64})$/s,
    take([path = "", target = "", revision = ""], draft, line) {
      if (draft.images.length >= MOST_LINES) return `more than ${MOST_LINES} images`;
      if (draft.images.some((image) => image.path === path)) return TWICE;
      draft.images.push({ path, target, revision, line });
      return undefined;
    },
  },
  key: {
    form: "# key ADD|REMOVE FINGERPRINT (16 hex digits in lower case)",
    shape: /^# key (ADD|REMOVE) ([0-9a-f]{16})$/,
    take([act, fingerprint = ""], draft, line) {
      if (draft.keys.length >= MOST_LINES) return `more than ${MOST_LINES} keys`;
      if (draft.keys.some((key) => key.fingerprint === fingerprint)) return TWICE;
      draft.keys.push({ act: act === "ADD" ? "add" : "remove", fingerprint, line });
      return undefined;
    },
  },
};

/** RFC 3339 in UTC to the second, as `printInstant` writes it; NaN for 30 February. */
function milliseconds(instant: string): number {
  const time = Date.parse(instant);
  return !Number.isNaN(time) && printInstant(time) === instant ? time : Number.NaN;
}

/** RFC 3339 in UTC, whole seconds; a time that no calendar has gives what no reader takes. */
export function printInstant(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "never" : `${date.toISOString().slice(0, 19)}Z`;
}
