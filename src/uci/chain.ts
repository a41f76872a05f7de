import { OrderTree } from "./order-tree.ts";

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
 * Names may repeat (`uci rename` allows it); then the first one in order is found. Positions are known from when they
 * are first asked for; these, and names that repeat, cost logarithmic time.
 */
export class Chain<T extends Linked<T>> {
  first: T | undefined;
  last: T | undefined;
  size = 0;
  #index: Map<string, T | OrderTree<T>> | undefined;
  #order: OrderTree<T> | undefined;

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
    if (this.#index === undefined) {
      if (this.size < MANY) return this.#firstNamed(name);
      this.#index = new Map();
      for (const node of this) this.#addToIndex(node);
    }
    const found = this.#index.get(name);
    return found instanceof OrderTree ? found.at(0) : found;
  }

  append(node: T): void {
    this.insertAfter(node, this.last);
  }

  /** Puts `node` behind `before`, or at the front. */
  insertAfter(node: T, before: T | undefined): void {
    this.#link(node, before);
    this.size++;
    this.#addToIndex(node);
  }

  remove(node: T): void {
    this.#unlink(node);
    this.size--;
    node.previous = node.following = undefined;
    this.#removeFromIndex(node);
  }

  /** Moves `node` behind `before`, or to the front. */
  move(node: T, before: T | undefined): void {
    this.#unlink(node);
    this.#link(node, before);
    const sharing = this.#index?.get(node.name);
    if (sharing instanceof OrderTree) this.resort(node, sharing);
  }

  /** Puts all nodes in another order: the same ones, each once. */
  arrange(nodes: readonly T[]): void {
    this.first = this.last = undefined;
    this.#index = this.#order = undefined;
    for (const node of nodes) this.#link(node, this.last);
  }

  rename(node: T, name: string): void {
    this.#removeFromIndex(node);
    node.name = name;
    this.#addToIndex(node);
  }

  /** The node at a position, from 0. */
  at(position: number): T | undefined {
    return this.#positions().at(position);
  }

  positionOf(node: T): number {
    return this.#positions().positionOf(node);
  }

  /** Puts `node` into a choice of this chain's nodes, to where it belongs by the chain's order; moves it if it is there. */
  resort(node: T, choice: OrderTree<T>): void {
    const position = this.positionOf(node);
    choice.remove(node);
    choice.insertSorted(node, (other) => this.positionOf(other) < position);
  }

  #positions(): OrderTree<T> {
    this.#order ??= new OrderTree(this.toArray());
    return this.#order;
  }

  #firstNamed(name: string): T | undefined {
    for (let node = this.first; node !== undefined; node = node.following) if (node.name === name) return node;
    return undefined;
  }

  #link(node: T, before: T | undefined): void {
    const after = before === undefined ? this.first : before.following;
    node.previous = before;
    node.following = after;
    if (before === undefined) this.first = node;
    else before.following = node;
    if (after === undefined) this.last = node;
    else after.previous = node;
    if (before === undefined) this.#order?.insert(node, 0);
    else this.#order?.insert(node, this.#order.positionOf(before) + 1);
  }

  #unlink(node: T): void {
    const { previous, following } = node;
    if (previous === undefined) this.first = following;
    else previous.following = following;
    if (following === undefined) this.last = previous;
    else following.previous = previous;
    this.#order?.remove(node);
  }

  #addToIndex(node: T): void {
    const there = this.#index?.get(node.name);
    if (there instanceof OrderTree) {
      this.resort(node, there);
    } else if (there === undefined) {
      this.#index?.set(node.name, node);
    } else {
      const sharing = new OrderTree([there]);
      this.resort(node, sharing);
      this.#index?.set(node.name, sharing);
    }
  }

  #removeFromIndex(node: T): void {
    const there = this.#index?.get(node.name);
    if (there instanceof OrderTree) there.remove(node);
    if (there === node || (there instanceof OrderTree && there.size === 0)) this.#index?.delete(node.name);
  }
}
