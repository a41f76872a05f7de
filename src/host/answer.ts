import type { Socket } from "node:net";

/**
 * Writes a request as soon as the socket is ready, and gives what `read` makes of all that has come so far, the first time that it makes something of it. Throws what the connection
 * fails by, that it ended before, what `read` throws, or the signal's reason; the socket is gone in any case.
 */
export function answerOf<T>(
  {
    socket,
    ready,
    request,
  }: { readonly socket: Socket; readonly ready: "connect" | "secureConnect"; readonly request: Uint8Array },
  read: (bytes: Buffer) => T | undefined,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    const close = () => {
      signal.removeEventListener("abort", stop);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
    };
    const fail = (cause: unknown) => {
      close();
      reject(cause);
    };
    const stop = () => fail(signal.reason);

    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("it closed the connection before its answer was whole")));
    socket.on(ready, () => socket.write(request));
    socket.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      try {
        const answer = read(Buffer.concat(chunks));
        if (answer === undefined) return;
        close();
        resolve(answer);
      } catch (thrown) {
        fail(thrown);
      }
    });
  });
}
