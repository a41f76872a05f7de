/** A word as it is typed into a shell. */
export function quoted(word: string): string {
  return /^[\w./@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
