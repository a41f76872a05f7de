/** Fetches inside a network namespace: what to ask as JSON on stdin, a line of JSON on stdout for each step. */
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ProvisionError } from "../../src/errors.ts";
import { clock } from "../../src/host/clock.ts";
import { openDisk } from "../../src/host/disk.ts";
import { type HttpSettings, openHttp } from "../../src/host/http.ts";
import { withRetries } from "../../src/retry.ts";

export interface Asking {
  readonly folder: string;
  readonly settings: HttpSettings;
  /** Let the clock say that every server is far. */
  readonly isFar?: boolean;
  /** One after another; the URIs of one step at once. */
  readonly steps: readonly {
    readonly uris: readonly string[];
    readonly etag?: string;
    readonly spool?: string;
    readonly size?: number;
    /** SHA-256 of each. */
    readonly sums?: readonly string[];
    readonly expected?: number;
    readonly tries?: number;
  }[];
}

export interface Fetched {
  readonly kind: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly etag?: string;
  readonly retryAfter?: number;
  readonly message?: string;
  readonly transport?: { readonly proof: { readonly kind: string; readonly fingerprint?: string } };
}

async function main(): Promise<void> {
  const { folder, settings, isFar = false, steps }: Asking = JSON.parse(readFileSync(0, "utf8"));
  const root = mkdtempSync(join(folder, "device-"));
  mkdirSync(join(root, "tmp"));
  let looks = 0;
  const time = isFar ? { ...clock, elapsed: () => 20 * looks++ } : clock;
  const http = openHttp({ settings }, openDisk(root), time, () => true);
  const { signal } = new AbortController();
  for (const { uris, tries = 1, expected, sums, ...conditions } of steps) {
    if (expected !== undefined) http.expect(uris[0] ?? "", expected);
    const get = (uri: string, sha256?: string) =>
      http.get({ uri, limit: 50_000_000, signal, ...(sha256 === undefined ? {} : { sha256 }), ...conditions });
    const told = uris.map((uri, index) =>
      withRetries(() => get(uri, sums?.[index]), { tries, minSeconds: 0.1, maxSeconds: 0.5, signal, clock }).then(
        plainly,
        failure,
      ),
    );
    console.log(JSON.stringify(await Promise.all(told)));
  }
  await http.close();
}

function plainly(answer: object): object {
  return { ...answer, bytes: undefined };
}

function failure(thrown: unknown): object {
  if (!(thrown instanceof ProvisionError)) return { kind: String(thrown) };
  return { kind: thrown.code, message: thrown.message, retryAfter: thrown.retryAfter };
}

void main();
