import { ProvisionError } from "../../errors.ts";
import { type DnsName, isWithin, parseName, sameName } from "../name.ts";
import type { Ds } from "./records.ts";

/** A zone whose key is believed without anybody's word. */
export interface Anchor {
  readonly zone: DnsName;
  readonly ds: Ds;
}

/** The root's keys of 2017 and 2024, as https://data.iana.org/root-anchors/root-anchors.xml has them. */
export const ROOT_ANCHORS: readonly string[] = [
  ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
  ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];

/** Reads anchors as DS lines, as dnssec-signzone writes them: `zone. [TTL] [IN] DS TAG ALGORITHM TYPE DIGEST`. SETTINGS_INVALID. */
export function readAnchors(lines: readonly string[]): Anchor[] {
  return lines.map((line) => {
    const match =
      /^\s*(\S+)\s+(?:\d+\s+)?(?:IN\s+)?DS\s+(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+([0-9a-fA-F\s]+?)\s*(?:;.*)?$/i.exec(
        line,
      );
    const [, name = "", tag = "", algorithm = "", digestType = "", digest = ""] = match ?? [];
    const zone = parseName(name);
    const hex = digest.replaceAll(/\s/g, "");
    if (!zone || hex.length % 2 !== 0 || hex.length !== DIGEST_DIGITS.get(Number(digestType))) {
      throw new ProvisionError(
        "SETTINGS_INVALID",
        `${JSON.stringify(line)} is no DS line with a SHA-256 or SHA-384 digest`,
      );
    }
    const ds = { tag: Number(tag), algorithm: Number(algorithm), digestType: Number(digestType) };
    return { zone, ds: { ...ds, digest: Uint8Array.from(Buffer.from(hex, "hex")) } };
  });
}

/** These anchors, and the root's own keys unless the root is among them. */
export function withRoot(anchors: readonly Anchor[]): Anchor[] {
  return anchors.some(({ zone }) => zone.length === 0) ? [...anchors] : [...anchors, ...readAnchors(ROOT_ANCHORS)];
}

const DIGEST_DIGITS: ReadonlyMap<number, number> = new Map([
  [2, 64],
  [4, 96],
]);

/** The anchors of the zone nearest to a name, all keys of it; none if no anchor is above the name. */
export function nearestAnchors(anchors: readonly Anchor[], name: DnsName): readonly Anchor[] {
  const above = anchors.filter(({ zone }) => isWithin(name, zone));
  const nearest = above.reduce<DnsName | undefined>(
    (best, { zone }) => (best === undefined || zone.length > best.length ? zone : best),
    undefined,
  );
  return nearest === undefined ? [] : above.filter(({ zone }) => sameName(zone, nearest));
}
