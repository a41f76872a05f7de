import type { RunFacts } from "./api.ts";
import type { Plan } from "./plan.ts";
import { redactUri } from "./uri.ts";

const MOST_NAMES = 50;

/** What of a plan may leave the device in a report: names, and no value. */
export function factsOf({ download, packages, files, firmware, left }: Plan): RunFacts {
  const names = [
    ...packages.flatMap(({ name, diff }) =>
      diff.sections.flatMap(({ section, options }) =>
        options.length === 0 ? [`${name}.${section}`] : options.map(({ option }) => `${name}.${section}.${option}`),
      ),
    ),
    ...files.map(({ path }) => path),
  ];
  const { tree: name, serial } = download.manifest ?? {};
  return {
    tree: {
      uri: redactUri(download.source.base.text),
      ...(name === undefined ? {} : { name }),
      ...(serial === undefined ? {} : { serial }),
      digest: download.digest,
    },
    changes: { names: names.slice(0, MOST_NAMES), more: Math.max(0, names.length - MOST_NAMES) },
    ...(firmware === undefined ? {} : { firmware: firmware.revision }),
    left,
  };
}
