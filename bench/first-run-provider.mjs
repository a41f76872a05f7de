import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** node bench/first-run-provider.mjs FOLDER NAME: serves FOLDER/tree over HTTPS (443), the same over HTTP (80), and the TXT record of NAME; says "ready". */
const [folder, name] = process.argv.slice(2);
const bed = await import(pathToFileURL("build/slow-bed.mjs").href);
const ADDRESS = "192.0.2.1";

const { publicKey, secretKey } = bed.generateKeyPair();
const authority = bed.makeAuthority("uciprov bench CA");
bed.signTree(join(folder, "tree"), { tree: "bench", serial: 1 }, [secretKey]);
mkdirSync(join(folder, "trust"), { recursive: true });
writeFileSync(join(folder, "trust", publicKey.fingerprint), bed.printPublicKey(publicKey));
writeFileSync(join(folder, "ca.pem"), authority.cert);

await bed.serveTree(folder, authority.issue({ names: [ADDRESS] }), ADDRESS, 443);
const names = await bed.serveNames(ADDRESS, 53);
names.publish(name, [[`provuri=https://${ADDRESS}/tree`]]);
createServer((request, response) => {
  const body = readFileSync(join(folder, request.url));
  response.writeHead(200, { "content-length": body.length }).end(body);
}).listen(80, ADDRESS, () => console.log("ready"));
