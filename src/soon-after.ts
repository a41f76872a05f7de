/** Milliseconds for what is on its way when the program is asked to stop: procd kills it after five seconds. */
const GRACE = 3000;

/** Fires a moment after the other one: what is being sent may arrive, so that it is not sent again. */
export function soonAfter(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  const begin = () => void setTimeout(() => late.abort(signal.reason), GRACE).unref();
  if (signal.aborted) begin();
  else signal.addEventListener("abort", begin, { once: true });
  return late.signal;
}
