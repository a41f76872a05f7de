/** A tree that was taken back this often is not tried again until it changes (design §7). */
export const MOST_ATTEMPTS = 3;

/** How the reason begins where a person took the tree back: once is enough then. */
export const BY_HAND = "taken back by hand";

/** How the reason begins where the run was asked to stop during the trial: that says nothing about the tree. */
export const STOPPED = "STOPPED: ";

/** So many stops count for nothing; then they do, since a tree may be what has the device restart each time. */
export const FREE_STOPS = 9;
