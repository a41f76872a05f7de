/** What bench/first-run.mjs needs of the program's own TypeScript, for Node 20, which does not read it. */
export { makeAuthority } from "../src/admin/certificates.ts";
export { signTree } from "../src/admin/sign-tree.ts";
export { generateKeyPair, printPublicKey } from "../src/tree/keys.ts";
