/** This program's version; package.json says the same, a test compares. */
export const VERSION = "0.1.0";
