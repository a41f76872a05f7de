import type { ExitName } from "../errors.ts";
import type { Paint } from "../messages.ts";

/** What every command gets: where, how to tell, and when to stop. */
export interface Invocation {
  readonly root: string;
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly flags: Flags;
  readonly options: Options;
  readonly signal: AbortSignal;
  readonly paint: Paint;
  /** The answer, on standard output. */
  print(text: string): void;
  /** What is going on, on standard error. */
  tell(text: string): void;
  /** Keeps in RAM what V8 compiled of this run's code, for the next ones like it. */
  keepCode(): void;
}

export interface Flags {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  readonly isForced: boolean;
  readonly isDry: boolean;
  readonly isFirstOnly: boolean;
  readonly isTransaction: boolean;
  readonly showsSecrets: boolean;
  readonly isStrict: boolean;
  readonly isAdded: boolean;
  readonly hasPassphrase: boolean;
  readonly isOnce: boolean;
  readonly isStatus: boolean;
}

/** Options that carry a value. */
export interface Options {
  readonly key: readonly string[];
  readonly name: string | undefined;
  readonly serial: string | undefined;
  readonly expires: string | undefined;
  readonly rollout: string | undefined;
  readonly device: string | undefined;
  readonly mac: string | undefined;
  readonly from: string | undefined;
  readonly base: string | undefined;
  readonly inventory: string | undefined;
  readonly against: string | undefined;
  readonly format: string | undefined;
  readonly out: string | undefined;
  readonly into: string | undefined;
  readonly settings: string | undefined;
  readonly domain: string | undefined;
  readonly listen: string | undefined;
  readonly httpsPort: string | undefined;
  readonly dnsPort: string | undefined;
  readonly certificate: string | undefined;
  readonly phones: string | undefined;
  readonly signer: string | undefined;
  readonly signerArg: readonly string[];
  readonly public: string | undefined;
}

export type Command = (invocation: Invocation) => Promise<ExitName>;
