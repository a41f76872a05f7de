/**
 * What a test asks for inside a namespace:
 *   node ask-zabbix.mjs send ROOT VALUES     sends these values as the device below ROOT does; prints what came of it
 *   node ask-zabbix.mjs serve PORT [IDENTITY KEY]   a server's port for active checks, with a shared key maybe: prints each request, a line each
 */
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { clock } from "../../src/host/clock.ts";
import { openDisk } from "../../src/host/disk.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { askTrapper } from "../../src/host/trapper.ts";
import { framed } from "../../src/zabbix/message.ts";
import { openSender } from "../../src/zabbix/sender.ts";

const [what, ...words] = process.argv.slice(2);
if (what === "send") await send(words[0] ?? "", words[1] ?? "[]");
else serve(Number(words[0]), words[1], words[2]);

async function send(root: string, values: string): Promise<void> {
  const logged: string[] = [];
  const sender = openSender({
    disk: openDisk(root),
    clock,
    log: (level, text) => void logged.push(`${level}: ${text}`),
    ask: askTrapper,
    processes: openProcesses(),
  });
  sender.put(JSON.parse(values));
  console.log(JSON.stringify({ ...(await sender.deliver(new AbortController().signal)), logged }));
}

/** Answers agents of either version with two keys to look at; to what they bring, that it was taken. */
function serve(port: number, identity: string | undefined, key: string | undefined): void {
  const talk = (socket: Socket): void => {
    let bytes = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 13 || bytes.length < 13 + bytes.readUInt32LE(5)) return;
      const request = JSON.parse(bytes.toString("utf8", 13));
      console.log(JSON.stringify(request));
      socket.end(framed(answerTo(request.request)));
    });
  };
  if (identity === undefined || key === undefined) createServer(talk).listen(port, "::");
  else {
    const pskCallback = (_: unknown, who: string) => (who === identity ? Buffer.from(key, "hex") : null);
    const server = createTlsServer({ pskCallback, ciphers: "PSK-AES128-CBC-SHA256", maxVersion: "TLSv1.2" }, talk);
    server.on("tlsClientError", () => undefined);
    server.listen(port, "::");
  }
}

function answerTo(request: unknown): unknown {
  if (request !== "active checks")
    return { response: "success", info: "processed: 2; failed: 0; total: 2; seconds spent: 0" };
  const data = ["uciprov.tree", "uciprov.drift"].map((key, at) => ({
    key,
    itemid: at + 1,
    delay: "1s",
    lastlogsize: 0,
    mtime: 0,
  }));
  return { response: "success", config_revision: 1, data };
}
