import type { ExitName } from "../errors.ts";
import type { Paint } from "../messages.ts";

/** What every command gets: where, how to tell, and when to stop. */
export interface Invocation {
  readonly root: string;
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly flags: Flags;
  readonly signal: AbortSignal;
  readonly paint: Paint;
  /** The answer, on standard output. */
  print(text: string): void;
  /** What is going on, on standard error. */
  tell(text: string): void;
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
}

export type Command = (invocation: Invocation) => Promise<ExitName>;
