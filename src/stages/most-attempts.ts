/** A tree that was taken back this often is not tried again until it changes (design §7). */
export const MOST_ATTEMPTS = 3;

/** How the reason begins where a person took the tree back: once is enough then. */
export const BY_HAND = "taken back by hand";
