import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { keepDatagramsLight } from "../../src/host/light-datagrams.ts";

test("servers and sockets of the same process work as ever, and its children are told nothing", async () => {
  keepDatagramsLight();
  expect(process.env).not.toHaveProperty("NODE_UNIQUE_ID");

  const server = createServer((socket) => socket.end("here")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const [said] = await once(connect(typeof address === "object" && address ? address.port : 0), "data");
  expect(String(said)).toBe("here");
  server.close();

  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  expect(socket.address().port).toBeGreaterThan(0);
  socket.close();
});

test("a process that says it is a cluster's worker is left one", () => {
  process.env["NODE_UNIQUE_ID"] = "7";
  keepDatagramsLight();
  expect(process.env["NODE_UNIQUE_ID"]).toBe("7");
  delete process.env["NODE_UNIQUE_ID"];
});
