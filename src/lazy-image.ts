/** What reads the end of a firmware image, loaded when the first one comes: most runs see none. */
export function imageReader(): Promise<typeof import("./tree/fwtool.ts")> {
  return import("./tree/fwtool.ts");
}
