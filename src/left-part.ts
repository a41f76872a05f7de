/** A part of a tree that a generation was confirmed without, since the device was cut off with it. */
export interface LeftPart {
  /** `network`, `uci NAME`, `files MODULE`, `services`. */
  readonly part: string;
  /** Options and files that are not as the tree says, some of them. */
  readonly names: readonly string[];
  /** How many more there are. */
  readonly more: number;
}

/** In a line: `network (network.wan.proto, firewall.@zone[1].input and 3 more)`. */
export function toldLeft(left: readonly LeftPart[]): string {
  return left
    .map(({ part, names, more }) => `${part} (${names.join(", ")}${more > 0 ? ` and ${more} more` : ""})`)
    .join("; ");
}
