/** How /usr/bin/uciprov starts Node (docs/packager.md): for a run, and for what stays. */
export const RUN_FLAGS = flags(24);
export const STAY_FLAGS = flags(16);

function flags(oldSpace) {
  return [
    "--max-semi-space-size=1",
    "--max-old-space-size=64",
    `--initial-old-space-size=${oldSpace}`,
    "--v8-pool-size=1",
    "--use-openssl-ca",
  ];
}
