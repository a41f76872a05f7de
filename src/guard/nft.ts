/** What nft is told, and what it answers; made of checked addresses and numbers only (nft(8); nftables: doc/libnftables-json.adoc). */
import { type Address, parseAddress } from "./address.ts";
import { membersOf } from "./members.ts";

/** A ban that is to stand. */
export interface BanOrder {
  readonly address: Address;
  readonly seconds: number;
}

/** A ban that stands, in seconds; without a timeout it stands until a person takes it away. */
export interface Standing {
  readonly address: Address;
  readonly timeout: number | undefined;
  readonly expires: number | undefined;
}

export function setOf(family: 4 | 6): "ban4" | "ban6" {
  return family === 4 ? "ban4" : "ban6";
}

/**
 * One transaction for all of them. A kernel keeps the old timeout of an element that is added again, or not, by its version: added, deleted and added it
 * has the new one in all of them, also where it was not there.
 */
export function banText(table: string, orders: readonly BanOrder[]): string {
  return orders
    .map(({ address, seconds }) => {
      const set = `element inet ${table} ${setOf(address.family)}`;
      const { text } = address;
      return `add ${set} { ${text} }\ndelete ${set} { ${text} }\nadd ${set} { ${text} timeout ${Math.ceil(seconds)}s }\n`;
    })
    .join("");
}

/** Elements of `nft -j list set`; undefined if it is no such answer. What is no single address is passed over. */
export function readSet(text: string): Standing[] | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  const items = membersOf(answer)?.["nftables"];
  if (!Array.isArray(items)) return undefined;
  const sets = items.map((item) => membersOf(item)?.["set"]).filter((set) => set !== undefined);
  if (sets.length === 0) return undefined;
  return sets.flatMap((set) => {
    const elements = membersOf(set)?.["elem"];
    return Array.isArray(elements) ? elements.flatMap((one) => standing(one) ?? []) : [];
  });
}

/** An address alone, or `{"elem":{"val":…,"timeout":…,"expires":…}}`. */
function standing(element: unknown): Standing | undefined {
  const inner = typeof element === "string" ? undefined : membersOf(element)?.["elem"];
  const value = inner === undefined ? element : membersOf(inner)?.["val"];
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  return (
    address && {
      address,
      timeout: seconds(membersOf(inner)?.["timeout"]),
      expires: seconds(membersOf(inner)?.["expires"]),
    }
  );
}

function seconds(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}
