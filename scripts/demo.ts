import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";
import { DEMO_NAME, type DemoBed, makeDemoBed } from "../src/admin/demo-bed.ts";

/** The real program, a device nobody has touched, a name server and a web server, all on this machine: see what happens. */
const PROGRAM = "dist/uciprov.cjs";

const bed = await makeDemoBed("fixtures");
try {
  introduce(bed);
  const first = await act("1  First boot: nobody has touched this device", ["run"]);
  const second = await act("2  The same again: nothing happens", ["run"]);
  tamper(bed);
  const third = await act("3  Somebody changes the tree on the server, without the key: refused", ["run"]);
  conclude(bed);
  // Not what was promised? Then this must not look like a success.
  const isAsPromised = first === 0 && second === 0 && third === 4;
  if (!isAsPromised) say(`unexpected exit statuses: ${first}, ${second}, ${third}`);
  process.exitCode = isAsPromised ? 0 : 1;
} finally {
  await bed.close();
}

function introduce({ root, uri, names, key }: DemoBed): void {
  say(styleText("bold", "uciprov: a device provisions itself"));
  say(`  DNS on 127.0.0.1 port ${names.port}:  ${DEMO_NAME} TXT "provuri=${uri}"`);
  say(
    `  HTTPS on 127.0.0.1 with a CA of its own: the tree of fixtures/trees/first-light, signed by key ${key.fingerprint}`,
  );
  say(`  The device: ${root}`);
}

async function act(title: string, args: readonly string[]): Promise<number> {
  say(`\n${styleText("bold", `── ${title} `)}${"─".repeat(Math.max(0, 76 - title.length))}`);
  const requests = bed.web.served.length;
  const queries = bed.names.asked.length;
  const status = await uciprov(args);
  const made = bed.web.served.slice(requests).map(({ path, status }) => `${path.replace("/tree/", "")} ${status}`);
  say(
    styleText(
      "dim",
      `exit status ${status}; ${bed.names.asked.length - queries} DNS query, ${made.length} HTTPS requests: ${made.join(", ") || "none"}`,
    ),
  );
  return status;
}

function uciprov(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args, "--root", bed.root], { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (status) => resolve(status ?? 1));
  });
}

/** What an attacker on the web server can do: everything but sign. */
function tamper({ tree }: DemoBed): void {
  const [file, manifest] = [join(tree, "default.uci"), join(tree, "MANIFEST")];
  writeFileSync(file, readFileSync(file, "utf8").replace("PasswordAuth 'off'", "PasswordAuth 'on'"));
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace("# serial 1", "# serial 2"));
}

function conclude({ root, folder }: DemoBed): void {
  say(`\n${styleText("bold", "Look around")}`);
  say(`  node ${PROGRAM} history --root ${root}`);
  say(`  node ${PROGRAM} status --root ${root}`);
  say(`  node ${PROGRAM} rollback 0 --root ${root}     # as it came out of the box`);
  say(`  rm -r ${folder}                               # when you have seen enough`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
