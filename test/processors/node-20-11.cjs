// The newest Node there is for s390x in the npm registry is 20.11. What the program uses of later ones: loading Node's own modules late (20.16), and
// digesting in one call (20.12).
const crypto = require("node:crypto");

process.getBuiltinModule ??= (name) => require(name);
crypto.hash ??= (algorithm, data, encoding) => crypto.createHash(algorithm).update(data).digest(encoding);
