import type { Clock, Disk, Http } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { openClient } from "./http/client.ts";
import type { HttpSettings } from "./http/how.ts";
import type { AskServerKeys } from "./tlsa.ts";

export type { HttpSettings } from "./http/how.ts";

/**
 * The device's HTTP. The client behind it lies in a chunk of its own and is loaded by the first request: a run that ends after
 * one DNS query pays nothing for it. `disk` takes spooled bodies; `isClockPlausible` tells a wrong clock from an expired certificate;
 * `serverKeys` are TLSA records that https servers must fit.
 */
export function openHttp(
  how: { readonly settings: HttpSettings; readonly serverKeys?: AskServerKeys | undefined },
  disk: Disk,
  clock: Clock,
  isClockPlausible: () => boolean,
): Required<Http> {
  let loading: Promise<ReturnType<typeof openClient>> | undefined;
  let isClosed = false;
  const load = (): Promise<ReturnType<typeof openClient>> => {
    loading ??= import("./http/client.ts").then((client) => client.openClient(how, disk, clock, isClockPlausible));
    return loading;
  };
  return {
    async get(request) {
      if (isClosed) throw new ProvisionError("INTERNAL", "HTTP was asked for after it was closed");
      return (await load()).get(request);
    },
    async post(letter) {
      if (isClosed) throw new ProvisionError("INTERNAL", "HTTP was asked for after it was closed");
      return (await load()).post(letter);
    },
    prepare() {
      if (isClosed) return;
      // A turn of the event loop between its parts: what comes from the network meanwhile is heard.
      process.getBuiltinModule("node:crypto");
      nextTurn()
        .then(load)
        .then(async (client) => {
          await nextTurn();
          client.prepare();
        })
        .catch(() => undefined); // whoever asks is told
    },
    expect(uri, requests) {
      if (isClosed) return;
      load()
        .then((client) => client.expect(uri, requests))
        .catch(() => undefined); // whoever asks is told
    },
    async close() {
      isClosed = true;
      // A client that could not be opened was told of by `get`, and holds nothing.
      await (await loading?.catch(() => undefined))?.close();
    },
  };
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
