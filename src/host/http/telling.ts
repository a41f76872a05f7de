import { ProvisionError } from "../../errors.ts";
import { redactUri } from "../../uri.ts";

/** Whatever goes wrong in `act` is told with the URI it is about. */
export function telling<T>(uri: URL, act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    const told = redactUri(uri.href);
    throw new ProvisionError(thrown.code, `fetching ${told}: ${thrown.message}`, {
      place: thrown.place ?? { file: told },
      ...(thrown.cause === undefined ? {} : { cause: thrown.cause }),
      ...(thrown.retryAfter === undefined ? {} : { retryAfter: thrown.retryAfter }),
    });
  }
}
