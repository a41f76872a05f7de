/** Something with a name that stands in a `Chain`. */
export interface Linked<T> {
  name: string;
  previous: T | undefined;
  following: T | undefined;
}

/** Below this many nodes a look along the chain is faster than a map. */
const MANY = 12;

/**
 * An ordered list in which finding by name, inserting, removing, renaming and moving cost the same however long it is.
 * Names may repeat (`uci rename` allows it); then the first one in order is found.
 */
export class Chain<T extends Linked<T>> {
  first: T | undefined;
  last: T | undefined;
  size = 0;
  private index: Map<string, T | Set<T>> | undefined;

  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let node = this.first; node !== undefined; node = node.following) yield node;
  }

  /** All in order; costs less than to iterate where there are many. */
  toArray(): T[] {
    const nodes: T[] = [];
    for (let node = this.first; node !== undefined; node = node.following) nodes.push(node);
    return nodes;
  }

  find(name: string): T | undefined {
    if (this.index === undefined) {
      if (this.size < MANY) return this.firstOf((node) => node.name === name);
      this.index = new Map();
      for (const node of this) this.addToIndex(node);
    }
    const found = this.index.get(name);
    return found instanceof Set ? this.firstOf((node) => found.has(node)) : found;
  }

  append(node: T): void {
    this.insertAfter(node, this.last);
  }

  /** Puts `node` behind `before`, or at the front. */
  insertAfter(node: T, before: T | undefined): void {
    this.link(node, before);
    this.size++;
    this.addToIndex(node);
  }

  remove(node: T): void {
    this.unlink(node);
    this.size--;
    node.previous = node.following = undefined;
    this.removeFromIndex(node);
  }

  /** Moves `node` behind `before`, or to the front. */
  move(node: T, before: T | undefined): void {
    this.unlink(node);
    this.link(node, before);
  }

  /** Puts all nodes in another order: the same ones, each once. */
  arrange(nodes: readonly T[]): void {
    this.first = this.last = undefined;
    for (const node of nodes) this.link(node, this.last);
  }

  rename(node: T, name: string): void {
    this.removeFromIndex(node);
    node.name = name;
    this.addToIndex(node);
  }

  private firstOf(isIt: (node: T) => boolean): T | undefined {
    for (let node = this.first; node !== undefined; node = node.following) if (isIt(node)) return node;
    return undefined;
  }

  private link(node: T, before: T | undefined): void {
    const after = before === undefined ? this.first : before.following;
    node.previous = before;
    node.following = after;
    if (before === undefined) this.first = node;
    else before.following = node;
    if (after === undefined) this.last = node;
    else after.previous = node;
  }

  private unlink(node: T): void {
    const { previous, following } = node;
    if (previous === undefined) this.first = following;
    else previous.following = following;
    if (following === undefined) this.last = previous;
    else following.previous = previous;
  }

  private addToIndex(node: T): void {
    const there = this.index?.get(node.name);
    if (there instanceof Set) there.add(node);
    else this.index?.set(node.name, there === undefined ? node : new Set([there, node]));
  }

  private removeFromIndex(node: T): void {
    const there = this.index?.get(node.name);
    if (there === node) this.index?.delete(node.name);
    if (!(there instanceof Set)) return;
    there.delete(node);
    const [only] = there;
    if (there.size === 1 && only !== undefined) this.index?.set(node.name, only);
  }
}
