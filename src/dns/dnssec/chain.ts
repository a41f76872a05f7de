/** The door to the validator, so that it is loaded as one piece and only when a name is to be proven. */
export { readAnchors, withRoot } from "./anchors.ts";
export { serverKeys } from "./tlsa.ts";
export { validate } from "./validate.ts";
