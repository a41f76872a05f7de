import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Chain, type Linked } from "../../src/uci/chain.ts";

interface Node extends Linked<Node> {
  readonly id: number;
}

/** What may be done to a chain; numbers choose a node or a place, modulo how many there are. */
const ACTIONS = fc.array(
  fc.record({
    act: fc.constantFrom("insert", "remove", "move", "rename", "arrange", "look"),
    which: fc.nat(),
    where: fc.nat(),
    name: fc.constantFrom("a", "b", "c", "d"),
  }),
  { maxLength: 80 },
);

describe("A chain", () => {
  it("is a list in which the first of a name is found, and positions are right, whatever is done to it", () => {
    fc.assert(
      fc.property(ACTIONS, (actions) => {
        const chain = new Chain<Node>();
        const list: Node[] = [];
        actions.forEach(({ act, which, where, name }, id) => {
          const at = which % Math.max(1, list.length);
          const node = list[at];
          if (act === "insert") {
            const to = where % (list.length + 1);
            const made = { id, name, previous: undefined, following: undefined };
            chain.insertAfter(made, list[to - 1]);
            list.splice(to, 0, made);
          } else if (act === "arrange") {
            list.reverse();
            chain.arrange(list);
          } else if (act === "look") {
            expect(chain.at(where)?.id).toBe(list[where]?.id);
          } else if (node !== undefined) {
            if (act === "rename") {
              chain.rename(node, name);
              return;
            }
            list.splice(at, 1);
            if (act === "remove") {
              chain.remove(node);
              return;
            }
            const to = where % (list.length + 1);
            chain.move(node, list[to - 1]);
            list.splice(to, 0, node);
          }
          const first = list.find((other) => other.name === name);
          expect(chain.find(name)?.id).toBe(first?.id);
          expect(chain.toArray().map((other) => other.id)).toEqual(list.map((other) => other.id));
          if (first !== undefined) expect(chain.positionOf(first)).toBe(list.indexOf(first));
        });
        expect([...chain].map((node) => node.id)).toEqual(list.map((node) => node.id));
        expect(chain.size).toBe(list.length);
        list.forEach((node, i) => {
          expect(chain.positionOf(node)).toBe(i);
          expect(chain.at(i)?.id).toBe(node.id);
        });
      }),
      { numRuns: 500 },
    );
  });

  it("does not know the position of what does not stand in it", () => {
    const chain = new Chain<Node>();
    expect(chain.at(0)).toBeUndefined();
    expect(chain.at(-1)).toBeUndefined();
    expect(chain.positionOf({ id: 0, name: "a", previous: undefined, following: undefined })).toBe(-1);
  });
});
