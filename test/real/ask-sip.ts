/** `node ask-sip.mjs HOST USER`: sends one INVITE as a caller who says to be USER, and prints the final status that comes within 10 s. */
import { createSocket } from "node:dgram";

const [, , host = "", user = ""] = process.argv;
const socket = createSocket("udp4");
const sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n";
socket.bind(0, () => {
  const { port } = socket.address();
  const text = [
    `INVITE sip:probe@${host}:5060 SIP/2.0`,
    `Via: SIP/2.0/UDP 192.0.2.1:${port};branch=z9hG4bK-${port}`,
    `From: <sip:${user}@192.0.2.1>;tag=1`,
    `To: <sip:probe@${host}>`,
    `Call-ID: ${port}@192.0.2.1`,
    "CSeq: 1 INVITE",
    `Contact: <sip:${user}@192.0.2.1:${port}>`,
    "Max-Forwards: 70",
    "Content-Type: application/sdp",
    `Content-Length: ${sdp.length}`,
    "",
    sdp,
  ].join("\r\n");
  socket.send(text, 5060, host);
});
socket.on("message", (message) => {
  const status = Number(/^SIP\/2\.0 ([0-9]{3})/.exec(message.toString("latin1"))?.[1]);
  if (status < 200) return;
  console.log(status);
  socket.close();
});
setTimeout(() => socket.close(), 10_000).unref();
