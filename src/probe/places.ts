/** Where the probe keeps what: all of it in RAM, none of it needed after a boot. */

export const PLACES = {
  folder: "/var/run/beesip/probe",
  lock: "/var/run/beesip/probe/lock",
  /** The last plan that was good, for when the collector is away. */
  plan: "/var/run/beesip/probe/plan.json",
  /** The sound that the plan names, as the collector sent it. */
  sounds: "/var/run/beesip/probe/sounds",
  /** The round that is going on, with all that is needed to end it after being killed. */
  round: "/var/run/beesip/probe/round.json",
  /** The last round that was begun: none is ever begun twice. */
  last: "/var/run/beesip/probe/last",
  /** What waits to be uploaded. */
  queue: "/var/run/beesip/probe/queue",
  status: "/var/run/beesip/probe/status.json",
  /** The last round's numbers, for everybody to read. */
  links: "/var/run/beesip/probe/links.json",
} as const;

const SPOOL = "/var/spool/asterisk";

/** Asterisk's own folders, and ours among them: one file system, so that a file can move in one go. */
export const ASTERISK = {
  spool: SPOOL,
  /** A call file that appears here is called at once. */
  outgoing: `${SPOOL}/outgoing`,
  /** Here it ends, with a line that says how. */
  done: `${SPOOL}/outgoing_done`,
  ours: `${SPOOL}/beesip-probe`,
  /** Call files that are complete and not yet to be seen. */
  staged: `${SPOOL}/beesip-probe/calls`,
  /** What Asterisk writes: recordings and counts. */
  recordings: `${SPOOL}/beesip-probe/rec`,
  /** A file for each address that may call us. */
  partners: `${SPOOL}/beesip-probe/partners`,
  sample: `${SPOOL}/beesip-probe/sample.wav`,
} as const;
