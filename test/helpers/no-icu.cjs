// Loaded before the program (node --require): takes away what a Node built with `--without-intl` does not have, so that using it fails here, too.
const NO_ICU = () => {
  throw Object.assign(new Error("not without ICU"), { code: "ERR_NO_ICU" });
};

delete globalThis.Intl;
for (const type of [Date, Number, BigInt, Array]) type.prototype.toLocaleString = NO_ICU;
for (const name of ["toLocaleDateString", "toLocaleTimeString"]) Date.prototype[name] = NO_ICU;
for (const name of ["localeCompare", "normalize", "toLocaleLowerCase", "toLocaleUpperCase"])
  String.prototype[name] = NO_ICU;

const Whole = globalThis.TextDecoder;
globalThis.TextDecoder = class extends Whole {
  constructor(encoding = "utf-8", options = {}) {
    if (options.fatal || !/^(?:utf-?8|utf-?16le|latin1)$/i.test(encoding)) NO_ICU();
    super(encoding, options);
  }
};
