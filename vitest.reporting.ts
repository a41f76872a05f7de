/** On a terminal vitest's own words; UCIPROV_VITEST_JSON names a file that gets the counts as well. */
export function reporting() {
  const file = process.env["UCIPROV_VITEST_JSON"];
  return file === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: file } };
}
