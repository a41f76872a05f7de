import { isIPv6 } from "node:net";
import DNS2 from "dns2";

/** A name server for demos, benches with real routers, and tests: it says what it is given, over UDP. */
export interface NameServer {
  readonly port: number;
  /** Names asked for, in order. */
  readonly asked: readonly string[];
  /** From now on this name has these TXT records, each a list of strings. */
  publish(name: string, records: readonly (readonly string[])[]): void;
  close(): Promise<void>;
}

const NXDOMAIN = 3;
const TTL = 60;

/** Listens on a free port of `address` unless one is given. A name that was not published does not exist. */
export async function serveNames(
  address = "127.0.0.1",
  port = 0,
  onAsked: (name: string, client: string) => void = () => undefined,
): Promise<NameServer> {
  const zone = new Map<string, readonly (readonly string[])[]>();
  const asked: string[] = [];
  const server = DNS2.createServer({
    udp: { type: isIPv6(address) ? "udp6" : "udp4" },
    handle: (request, send, client) => {
      const response = DNS2.Packet.createResponseFromRequest(request);
      for (const question of request.questions) {
        const name = question.name.toLowerCase();
        asked.push(name);
        onAsked(name, "address" in client && typeof client.address === "string" ? client.address : "?");
        const records = zone.get(name);
        if (records === undefined) response.header.rcode = NXDOMAIN;
        if (question.type !== DNS2.Packet.TYPE.TXT) continue;
        for (const strings of records ?? []) {
          const record = { type: DNS2.Packet.TYPE.TXT, ttl: TTL, data: [...strings] };
          response.answers.push(DNS2.Packet.createResourceFromQuestion(question, record));
        }
      }
      send(response);
    },
  });
  // dns2 waits for ever where an address cannot be had, and tells of it by an event.
  const { udp } = await new Promise<Awaited<ReturnType<typeof server.listen>>>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ udp: { port, address } }).then(resolve, reject);
  });
  return {
    port: udp?.port ?? 0,
    asked,
    publish: (name, records) => void zone.set(name.toLowerCase(), records),
    close: async () => void (await server.close()),
  };
}
