import { describe, expect, test } from "vitest";
import { dialForms, lengthsOf, ownForms } from "../../../hooks/pbx/numbers.ts";

describe("numbers", () => {
  const pbx = (options: Partial<Parameters<typeof dialForms>[0]>) =>
    ({
      country_code: "420",
      area_code: "596",
      national_prefix: undefined,
      national_digits: 9,
      international_prefix: "00",
      ...options,
    }) as Parameters<typeof dialForms>[0];

  test("national numbers have a prefix or a length", () => {
    expect(dialForms(pbx({}))).toContainEqual({ begins: "", digits: 9, becomes: "+420" });
    expect(dialForms(pbx({ country_code: "49", national_prefix: "0" }))).toContainEqual({
      begins: "0",
      digits: undefined,
      becomes: "+49",
    });
    expect(dialForms(pbx({ country_code: undefined }))).toHaveLength(2);
  });

  test("an extension has every form of a number of its own", () => {
    expect(ownForms(pbx({}), "101")).toEqual(["+420596101", "00420596101", "596101"]);
    expect(ownForms(pbx({ national_prefix: "0" }), "101")).toContain("0596101");
    expect(ownForms(pbx({ area_code: undefined }), "101")).toEqual([]);
  });

  test("digits are counted with the country code, and never fewer than the prefix has", () => {
    const trunk = (min_digits: number | undefined) => ({
      gateways: [],
      route: { prefix: "+420596", label: undefined, min_digits, max_digits: 12, strip: 0, prepend: "", gateway: [] },
    });
    expect(lengthsOf(trunk(9))).toEqual({ least: 10, most: 13 });
    expect(lengthsOf(trunk(undefined))).toEqual({ least: 7, most: 13 });
  });
});
