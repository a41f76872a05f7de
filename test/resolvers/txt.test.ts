import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTxtWords } from "../../resolvers/_txt.ts";
import { ProvisionError } from "../../src/errors.ts";

const record = (...strings: (string | Uint8Array)[]) => strings.map((one) => Uint8Array.from(Buffer.from(one)));
const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return thrown instanceof ProvisionError ? thrown.code : String(thrown);
  }
};

test("strings of one record and of several say the same", () => {
  const said = { uri: "https://a.example/", serial: "42", macros: { txt_site: "north" }, remarks: [] };
  expect(readTxtWords([record("provuri=https://a.example/", "serial=42", "site=north")])).toEqual(said);
  expect(readTxtWords([record("site=north"), record("serial=42"), record("provuri=https://a.example/")])).toEqual(said);
});

test("order makes no difference, whatever the strings", () => {
  const pair = fc
    .tuple(fc.constantFrom("provuri", "serial", "a", "b"), fc.constantFrom("1", "2", "x"))
    .map((p) => p.join("="));
  const outcome = (strings: string[]) => {
    try {
      const { uri, serial, macros } = readTxtWords(strings.map((one) => record(one)));
      return { uri, serial, macros };
    } catch (thrown) {
      return thrown instanceof ProvisionError ? thrown.code : thrown;
    }
  };
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 6 }), (strings) => {
      expect(outcome(strings)).toEqual(outcome([...strings].reverse()));
      expect(outcome(strings)).toEqual(outcome([...strings, ...strings]));
    }),
  );
});

describe("provuri", () => {
  test("the same twice is fine, two different ones are an error", () => {
    expect(readTxtWords([record("provuri=u"), record("PROVURI=u", "provuri=u")]).uri).toBe("u");
    expect(codeOf(() => readTxtWords([record("provuri=u"), record("provuri=v")]))).toBe("URI_AMBIGUOUS");
    expect(codeOf(() => readTxtWords([record("provuri=u", "provuri=U")]))).toBe("URI_AMBIGUOUS");
  });

  test("its first equals sign ends the key; the rest is the value", () => {
    expect(readTxtWords([record("provuri=https://a.example/?a=b&c==")]).uri).toBe("https://a.example/?a=b&c==");
  });

  test("it is not joined with the next string unless its own is full", () => {
    expect(readTxtWords([record("provuri=https://a.example/", "more")]).uri).toBe("https://a.example/");
    const long = `provuri=https://a.example/${"x".repeat(600)}`;
    const cut = [long.slice(0, 255), long.slice(255, 510), long.slice(510)];
    expect(readTxtWords([record(...cut, "serial=7")])).toMatchObject({ uri: long.slice(8), serial: "7" });
    expect(readTxtWords(cut.map((one) => record(one))).uri).toBe(long.slice(8, 255));
  });

  test("of 2,048 bytes it is taken, of 2,049 refused", () => {
    const pieces = (text: string) => {
      const all = Buffer.from(text);
      return Array.from({ length: Math.ceil(all.length / 255) }, (_, i) => all.subarray(255 * i, 255 * (i + 1)));
    };
    expect(readTxtWords([record(...pieces(`provuri=${"x".repeat(2048)}`))]).uri).toHaveLength(2048);
    expect(codeOf(() => readTxtWords([record(...pieces(`provuri=${"x".repeat(2049)}`))]))).toBe("URI_INVALID");
    expect(codeOf(() => readTxtWords([record(...pieces(`provuri=${"é".repeat(1025)}`))]))).toBe("URI_INVALID");
  });

  test.each([
    ["empty", "provuri="],
    ["with a newline", "provuri=https://a.example/\nX: y"],
    ["with NUL", "provuri=https://a.example/\0.evil.example"],
    ["with DEL", "provuri=https://a.example/\x7f"],
    ["with a C1 control", "provuri=https://a.example/\u009b31m"],
    ["with a line separator", "provuri=https://a.example/\u2028"],
    ["no UTF-8", Uint8Array.of(...Buffer.from("provuri=http://a/"), 0xff, 0xfe)],
    ["an overlong slash", Uint8Array.of(...Buffer.from("provuri=http://a"), 0xc0, 0xaf)],
  ])("%s is refused", (_, one) => {
    expect(codeOf(() => readTxtWords([record(one)]))).toBe("URI_INVALID");
  });

  test.each(["provuri", "provuri =x", " provuri=x", "xprovuri=x", "=provuri=x", ""])("%j is none", (one) => {
    expect(readTxtWords([record(one)]).uri).toBeUndefined();
  });
});

describe("serial", () => {
  test.each([
    ["42", "42"],
    ["0", "0"],
    ["007", "7"],
    ["999999999999999999", "999999999999999999"],
  ])("%s is beacon %s", (written, serial) => {
    expect(readTxtWords([record(`serial=${written}`)]).serial).toBe(serial);
  });

  test.each(["", "-1", "1.5", "0x10", "1e3", "٣", " 1", "1000000000000000000"])(
    "%j is none, and is remarked",
    (written) => {
      const { serial, remarks } = readTxtWords([record(`serial=${written}`)]);
      expect(serial).toBeUndefined();
      expect(remarks).toEqual([expect.stringContaining("serial")]);
    },
  );

  test("two different ones are none", () => {
    expect(readTxtWords([record("serial=1", "serial=2")])).toMatchObject({
      serial: undefined,
      remarks: ["serial has 2 different values"],
    });
  });
});

describe("macros", () => {
  test("other people's strings are passed over without a word", () => {
    const others = record("v", "site verification", "google-site-verification=abc", "a.b=c", `${"k".repeat(33)}=v`);
    expect(readTxtWords([others])).toEqual({ uri: undefined, serial: undefined, macros: {}, remarks: [] });
  });

  test("a key with two values is none, and is remarked", () => {
    expect(readTxtWords([record("site=a"), record("site=b", "x=y")])).toMatchObject({
      macros: { txt_x: "y" },
      remarks: ["site has 2 different values"],
    });
  });

  test("an unreadable value is remarked", () => {
    const { macros, remarks } = readTxtWords([record("a=\0", Uint8Array.of(0x62, 0x3d, 0xff), "c=")]);
    expect(macros).toEqual({ txt_c: "" });
    expect(remarks).toHaveLength(2);
  });

  test("names of objects' insides are names like any other", () => {
    const { macros } = readTxtWords([record("__proto__=x", "constructor=y")]);
    expect(macros).toEqual({ txt___proto__: "x", txt_constructor: "y" });
    expect(Object.getPrototypeOf(macros)).toBe(Object.prototype);
  });

  test("64 keys are read, 65 are refused", () => {
    const keys = (count: number) => record(...Array.from({ length: count }, (_, i) => `k${i}=v`));
    expect(Object.keys(readTxtWords([keys(64)]).macros)).toHaveLength(64);
    expect(codeOf(() => readTxtWords([keys(65)]))).toBe("MACRO_INVALID");
  });

  test("whatever the bytes, the outcome is words or a known error, and words hold no control character", () => {
    const any = fc.array(fc.array(fc.uint8Array({ maxLength: 255 }), { maxLength: 5 }), { maxLength: 5 });
    const likely = fc.array(
      fc.array(
        fc
          .tuple(fc.constantFrom("provuri=", "serial=", "a=", "A=", ""), fc.uint8Array({ maxLength: 40 }))
          .map(([key, rest]) => Uint8Array.from([...Buffer.from(key), ...rest])),
      ),
    );
    fc.assert(
      fc.property(fc.oneof(any, likely), (records) => {
        try {
          const { uri, macros } = readTxtWords(records);
          expect(JSON.stringify([uri, macros])).not.toMatch(/\\u00|\\n|\\r|\\t/);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ProvisionError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
