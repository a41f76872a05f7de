import type { Files } from "../api.ts";
import { type Journal, readJournal } from "../transaction/journal.ts";

/** The open transaction for people to look at; one that cannot be read is told as such. */
export function plainJournal(files: Files): Pick<Journal, "id" | "state"> | undefined {
  try {
    const journal = readJournal(files);
    return journal && { id: journal.id, state: journal.state };
  } catch {
    return { id: "unreadable", state: "prepared" };
  }
}
