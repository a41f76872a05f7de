import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contentRange,
  entityTag,
  isSameTag,
  lastModified,
  retryAfter,
  statedLength,
} from "../../src/host/http/head.ts";

const head = (fields: Record<string, string | string[]>) => ({ status: 200, fields });

describe("a head's fields", () => {
  test.each(['"a"', 'W/"a"', '""', '"a-b,c;!"'])("ETag %s is one", (etag) => {
    expect(entityTag(head({ etag }))).toBe(etag);
  });

  test.each(["a", '"a', 'w/"a"', '"a"b"', '"a b"', '"\u00e4"', `"${"x".repeat(300)}"`, '"a", "b"'])(
    "ETag %s is none",
    (etag) => {
      expect(entityTag(head({ etag }))).toBeUndefined();
    },
  );

  test("given twice are no tag and no length", () => {
    expect(entityTag(head({ etag: ['"a"', '"b"'] }))).toBeUndefined();
    expect(statedLength(head({ "content-length": ["1", "1"] }))).toBeUndefined();
  });

  test("tags compare weakly", () => {
    expect(isSameTag('W/"a"', '"a"')).toBe(true);
    expect(isSameTag('"a"', '"b"')).toBe(false);
    expect(isSameTag('"W/a"', '"a"')).toBe(false);
  });

  test.each(["Sun, 22 Nov 2026 17:41:01 GMT"])("Last-Modified %s is one", (text) => {
    expect(lastModified(head({ "last-modified": text }))).toBe(text);
  });

  test.each(["2026-11-22", "Sunday, 22-Nov-26 17:41:01 GMT", "Sun, 22 Nov 2026 17:41:01 +0100", "", "x\r\ny"])(
    "Last-Modified %j is none",
    (text) => {
      expect(lastModified(head({ "last-modified": text }))).toBeUndefined();
    },
  );

  test.each([
    ["bytes 0-0/1", { first: 0, last: 0, total: 1 }],
    ["bytes 0-9/*", undefined],
    ["bytes */10", undefined],
    ["bytes 0-9/10, bytes 1-2/10", undefined],
    ["items 0-9/10", undefined],
    ["bytes -1-9/10", undefined],
  ])("Content-Range %s is understood or not", (text, range) => {
    expect(contentRange(head({ "content-range": text }))).toEqual(range);
  });

  test("Retry-After never asks for less than nothing or more than a day, whatever it says", () => {
    const dates = fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-01-01") })
      .map((date) => date.toUTCString());
    const texts = fc.oneof(fc.string(), fc.nat().map(String), dates);
    fc.assert(
      fc.property(texts, fc.option(dates, { nil: undefined }), fc.integer(), (text, date, now) => {
        const seconds = retryAfter(head({ "retry-after": text, ...(date === undefined ? {} : { date }) }), now);
        if (seconds === undefined) return;
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(86_400);
      }),
    );
  });

  test("Retry-After's date is measured by the device's clock where the server tells no Date", () => {
    const fields = { "retry-after": "Sun, 22 Nov 2026 18:00:00 GMT" };
    expect(retryAfter(head(fields), Date.parse("2026-11-22T17:59:00Z"))).toBe(60);
  });
});
