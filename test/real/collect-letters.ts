/** Takes what a guard sends, inside a namespace: letters over HTTPS, mail over SMTP; each as a line of JSON in a file. The first letter gets no thanks. */
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createServer as createMailServer } from "node:net";

const [address = "", folder = ""] = process.argv.slice(2);
const note = (file: string, what: unknown) => appendFileSync(`${folder}/${file}`, `${JSON.stringify(what)}\n`);

let letters = 0;
createServer(
  { cert: readFileSync(`${folder}/cert.pem`), key: readFileSync(`${folder}/key.pem`) },
  (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += String(chunk);
    });
    request.on("end", () => {
      const status = letters++ === 0 ? 503 : 204;
      note("letters", {
        method: request.method,
        id: request.headers["idempotency-key"],
        status,
        body: JSON.parse(body),
      });
      response.writeHead(status).end();
    });
  },
).listen(8443, address);

createMailServer((socket) => {
  let text = "";
  let isData = false;
  const to: string[] = [];
  const say = (line: string) => socket.write(`${line}\r\n`);
  say("220 sink");
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    for (
      let end = text.indexOf(isData ? "\r\n.\r\n" : "\r\n");
      end >= 0;
      end = text.indexOf(isData ? "\r\n.\r\n" : "\r\n")
    ) {
      const piece = text.slice(0, end);
      text = text.slice(end + (isData ? 5 : 2));
      if (isData) note("mails", { to, text: piece });
      else if (/^RCPT TO:/i.test(piece)) to.push(piece.slice(8));
      const isBeginning = !isData && /^DATA$/i.test(piece);
      if (/^QUIT$/i.test(piece)) return void socket.end("221 bye\r\n");
      say(isBeginning ? "354 go on" : "250 ok");
      isData = isBeginning;
    }
  });
}).listen(2525, address);
