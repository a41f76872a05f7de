import fc from "fast-check";
import { expect, test } from "vitest";
import { subjectHash } from "../../hooks/_subject-hash.ts";

test("what is no certificate has no name there, and nothing throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const hash = subjectHash(bytes);
      expect(hash === undefined || /^[0-9a-f]{8}$/.test(hash)).toBe(true);
    }),
  );
});
