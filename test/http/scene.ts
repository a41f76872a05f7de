import { afterEach } from "vitest";
import { type RawServer, rawServer, type TestClient, testClient } from "../helpers/web.ts";

/** Opens servers and clients for one test and closes them after it, however it ends. */
export function scene() {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });
  const keep = <T extends { close(): Promise<void> }>(one: T): T => {
    open.push(one);
    return one;
  };
  return {
    server: async (...how: Parameters<typeof rawServer>): Promise<RawServer> => keep(await rawServer(...how)),
    client: (...how: Parameters<typeof testClient>): TestClient => keep(testClient(...how)),
  };
}
