/** All that can be fuzzed, for `npm run fuzz`. */
export { fuzzDnssec, fuzzMessages } from "./dns/fuzz.ts";
export { fuzzGuardLogs } from "./guard/fuzz.ts";
export { fuzzDhcp, fuzzLldp, fuzzLookUp, fuzzTxt } from "./resolvers/fuzz.ts";
export { fuzzImages } from "./tree/fuzz-images.ts";
