import fc from "fast-check";

/** What the checks let through as a secret or a name. */
const line = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .map((text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd\ufffe\uffff]/g, "").trim())
  .filter((text) => text !== "");
const spiky = fc
  .array(
    fc.constantFrom(
      ";",
      "\\",
      '"',
      "'",
      "]",
      "[",
      "$",
      "{",
      "}",
      "#",
      "!",
      "<",
      ">",
      "&",
      "=",
      " ",
      "a",
      "-",
      "//",
      `\${SHELL(id)}`,
      "#!define",
      "</P34>",
      "é",
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.join("").trim())
  .filter((text) => text !== "");
export const anyLine = fc.oneof(line, spiky);
