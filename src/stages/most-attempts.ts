/** A tree that was taken back this often is not tried again until it changes (design §7). */
export const MOST_ATTEMPTS = 3;
