import { expect, test } from "vitest";
import { generateKeyPair, type PublicKey, printPublicKey } from "../../src/tree/keys.ts";
import { type Manifest, parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { rollKeys } from "../../src/tree/rollover.ts";
import { failure } from "../macros/table.ts";
import { contentOf } from "./sample.ts";

const [a, b, c] = [generateKeyPair().publicKey, generateKeyPair().publicKey, generateKeyPair().publicKey];
const holds = (...keys: readonly PublicKey[]) => new Map(keys.map((key) => [key.fingerprint, key]));
const owned = (keys: readonly PublicKey[], threshold = 1) => ({
  keys: holds(...keys),
  owner: { fingerprints: keys.map(({ fingerprint }) => fingerprint).sort(), threshold },
});
const names = (...keys: readonly PublicKey[]) => new Set(keys.map(({ fingerprint }) => fingerprint));
const files = (...keys: readonly PublicKey[]) =>
  new Map(keys.map((key) => [`keys/${key.fingerprint}`, new TextEncoder().encode(printPublicKey(key))]));

function manifest(add: readonly PublicKey[], remove: readonly PublicKey[]): Manifest {
  const listed = Object.fromEntries(add.map((key) => [`keys/${key.fingerprint}`, printPublicKey(key)]));
  const keys = [
    ...add.map(({ fingerprint }) => ({ act: "add", fingerprint }) as const),
    ...remove.map(({ fingerprint }) => ({ act: "remove", fingerprint }) as const),
  ];
  return parseManifest(printManifest(contentOf(listed, { keys })), { file: "MANIFEST" });
}

test("a key is exchanged for another, and the same manifest again changes nothing", () => {
  const said = manifest([b], [a]);
  const rolled = rollKeys(said, names(a, b), owned([a]), files(b));
  expect(rolled).toEqual({ ...owned([b]), isChanged: true });
  expect(rollKeys(said, names(a, b), rolled, files(b))).toEqual({ ...rolled, isChanged: false });
});

test("the old keys must have signed, as many as the old threshold says", () => {
  const code = (signers: ReadonlySet<string>, threshold: number) =>
    failure(() => rollKeys(manifest([c], []), signers, owned([a, b], threshold), files(c))).code;
  expect(code(names(c), 1)).toBe("SIGNATURES_TOO_FEW");
  expect(code(names(), 1)).toBe("SIGNATURES_TOO_FEW");
  expect(code(names(a, c), 2)).toBe("SIGNATURES_TOO_FEW");
  expect(rollKeys(manifest([c], []), names(a, b), owned([a, b], 2), files(c)).owner).toEqual({
    fingerprints: [...names(a, b, c)].sort(),
    threshold: 2,
  });
});

test("a manifest without key lines asks for no signature and changes nothing", () => {
  expect(rollKeys(manifest([], []), names(), owned([a]), new Map())).toEqual({ ...owned([a]), isChanged: false });
});

test("as many keys as the threshold must remain", () => {
  expect(failure(() => rollKeys(manifest([], [a]), names(a), owned([a]), new Map())).code).toBe("KEY_INVALID");
  expect(failure(() => rollKeys(manifest([], [a]), names(a, b), owned([a, b], 2), new Map())).code).toBe("KEY_INVALID");
  expect(rollKeys(manifest([], [a]), names(a), owned([a, b]), new Map())).toEqual({ ...owned([b]), isChanged: true });
});

test("the file must be there, as listed, and hold the key it is named for", () => {
  const said = manifest([b], []);
  const code = (given: ReadonlyMap<string, Uint8Array>, from = said) =>
    failure(() => rollKeys(from, names(a), owned([a]), given)).code;
  expect(code(new Map())).toBe("DIGEST_MISMATCH");
  expect(code(new Map([[`keys/${b.fingerprint}`, new TextEncoder().encode(printPublicKey(c))]]))).toBe(
    "DIGEST_MISMATCH",
  );

  const misnamed = contentOf(
    { [`keys/${b.fingerprint}`]: printPublicKey(c) },
    { keys: [{ act: "add", fingerprint: b.fingerprint }] },
  );
  const wrong = new Map([[`keys/${b.fingerprint}`, new TextEncoder().encode(printPublicKey(c))]]);
  expect(code(wrong, parseManifest(printManifest(misnamed), { file: "MANIFEST" }))).toBe("KEY_INVALID");
});

test("one number for two keys, or two numbers for one key, is refused", () => {
  const sameNumber = { ...b, fingerprint: a.fingerprint };
  const sameKey = { ...a, fingerprint: b.fingerprint };
  for (const odd of [sameNumber, sameKey]) {
    expect(failure(() => rollKeys(manifest([odd], []), names(a), owned([a]), files(odd))).code).toBe("KEY_INVALID");
  }
});

test("adding a key that is there already changes nothing", () => {
  expect(rollKeys(manifest([a], []), names(a), owned([a]), files(a))).toEqual({ ...owned([a]), isChanged: false });
});
