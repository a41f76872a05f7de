/** What was begun beside the work and is to end before the program does: letters on their way. Each has a deadline of its own. */
const begun = new Set<Promise<unknown>>();

/** Lets the program's end wait for this, however it ends. */
export function letEnd(work: Promise<unknown>): void {
  begun.add(work);
  const over = () => void begun.delete(work);
  work.then(over, over);
}

/** Ends when all of that has. */
export async function lastWords(): Promise<void> {
  while (begun.size > 0) await Promise.allSettled(begun);
}
