interface Branch<T> {
  readonly thing: T;
  size: number;
  parent: Branch<T> | undefined;
  left: Branch<T> | undefined;
  right: Branch<T> | undefined;
}

/**
 * Things in an order, each once: what stands at a position, and at which position something stands, in logarithmic time
 * while things come and go. A randomized search tree (Martínez and Roura 1998): its shape is all that chance decides.
 */
export class OrderTree<T> {
  #root: Branch<T> | undefined;
  readonly #branches = new Map<T, Branch<T>>();

  constructor(things: readonly T[]) {
    this.#root = this.#grow(things, 0, things.length);
  }

  get size(): number {
    return sizeOf(this.#root);
  }

  at(position: number): T | undefined {
    let branch = this.#root;
    let left = position;
    while (branch !== undefined) {
      const before = sizeOf(branch.left);
      if (left === before) return branch.thing;
      if (left < before) {
        branch = branch.left;
      } else {
        left -= before + 1;
        branch = branch.right;
      }
    }
    return undefined;
  }

  /** -1 if it does not stand here. */
  positionOf(thing: T): number {
    let branch = this.#branches.get(thing);
    if (branch === undefined) return -1;
    let position = sizeOf(branch.left);
    for (let { parent } = branch; parent !== undefined; { parent } = parent) {
      if (parent.right === branch) position += sizeOf(parent.left) + 1;
      branch = parent;
    }
    return position;
  }

  /** Puts something new at a position, from 0 to `size`. */
  insert(thing: T, position: number): void {
    const [before, behind] = split(this.#root, position);
    this.#plant(joined(joined(before, this.#branch(thing)), behind));
  }

  /** Inserts something new where it belongs by `isBefore`, which tells of what stands here whether that comes before it. */
  insertSorted(thing: T, isBefore: (other: T) => boolean): void {
    let position = 0;
    let branch = this.#root;
    while (branch !== undefined) {
      if (isBefore(branch.thing)) {
        position += sizeOf(branch.left) + 1;
        branch = branch.right;
      } else {
        branch = branch.left;
      }
    }
    this.insert(thing, position);
  }

  remove(thing: T): void {
    const position = this.positionOf(thing);
    if (position < 0) return;
    const [before, rest] = split(this.#root, position);
    const [, behind] = split(rest, 1);
    this.#branches.delete(thing);
    this.#plant(joined(before, behind));
  }

  #grow(things: readonly T[], from: number, to: number): Branch<T> | undefined {
    const middle = (from + to) >> 1;
    const thing = things[middle];
    if (from >= to || thing === undefined) return undefined;
    const branch = this.#branch(thing);
    return bear(branch, this.#grow(things, from, middle), this.#grow(things, middle + 1, to));
  }

  #branch(thing: T): Branch<T> {
    const branch = { thing, size: 1, parent: undefined, left: undefined, right: undefined };
    this.#branches.set(thing, branch);
    return branch;
  }

  #plant(root: Branch<T> | undefined): void {
    this.#root = root;
    if (root !== undefined) root.parent = undefined;
  }
}

function sizeOf<T>(branch: Branch<T> | undefined): number {
  return branch === undefined ? 0 : branch.size;
}

function bear<T>(branch: Branch<T>, left: Branch<T> | undefined, right: Branch<T> | undefined): Branch<T> {
  branch.left = left;
  branch.right = right;
  branch.size = sizeOf(left) + sizeOf(right) + 1;
  if (left !== undefined) left.parent = branch;
  if (right !== undefined) right.parent = branch;
  return branch;
}

/** The first `count` of a tree, and the rest. */
function split<T>(tree: Branch<T> | undefined, count: number): [Branch<T> | undefined, Branch<T> | undefined] {
  if (tree === undefined) return [undefined, undefined];
  const before = sizeOf(tree.left);
  if (count <= before) {
    const [first, rest] = split(tree.left, count);
    return [first, bear(tree, rest, tree.right)];
  }
  const [first, rest] = split(tree.right, count - before - 1);
  return [bear(tree, tree.left, first), rest];
}

function joined<T>(first: Branch<T> | undefined, second: Branch<T> | undefined): Branch<T> | undefined {
  if (first === undefined) return second;
  if (second === undefined) return first;
  const isFirst = Math.random() * (first.size + second.size) < first.size;
  if (isFirst) return bear(first, first.left, joined(first.right, second));
  return bear(second, joined(first, second.left), second.right);
}
