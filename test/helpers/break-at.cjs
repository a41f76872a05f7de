// Loaded before the program (node --require): at the UCIPROV_TEST_WRITE-th call that changes the file system below UCIPROV_TEST_ROOT (from 1, counted from the
// moment the transaction's folder is first written to), the file system breaks, as UCIPROV_TEST_BREAK says: `ro` remounts it read-only, `inodes` takes its
// last inode. RAM (/tmp, a mount of its own) stays well. How many there were stands in UCIPROV_TEST_COUNT in the end.
const fs = require("node:fs");
const { execFileSync } = require("node:child_process");

const root = process.env.UCIPROV_TEST_ROOT;
const at = Number(process.env.UCIPROV_TEST_WRITE);
const how = process.env.UCIPROV_TEST_BREAK;
let count = 0;
const openReally = fs.openSync;

const NAMES = [
  "writeSync",
  "renameSync",
  "unlinkSync",
  "mkdirSync",
  "rmdirSync",
  "symlinkSync",
  "openSync",
  "fchmodSync",
];
for (const name of NAMES) {
  const real = fs[name];
  fs[name] = (...args) => {
    if (isChange(name, args)) {
      count += 1;
      fs.writeFileSync(process.env.UCIPROV_TEST_COUNT, String(count));
      if (count === at) breakDisk();
    }
    return real(...args);
  };
}

let isOpen = false;

function isChange(name, args) {
  if (name === "writeSync") return isOpen;
  if (name === "fchmodSync") return isOpen;
  const [path, other] = args.map(String);
  const isBelow = [path, other].some((one) => one?.startsWith(`${root}/`) && !one.startsWith(`${root}/tmp/`));
  if (!isBelow || (name === "openSync" && (args[1] === undefined || args[1] === "r" || args[1] === 0))) return false;
  isOpen ||= [path, other].some((one) => one?.includes("/lib/uciprov"));
  return isOpen;
}

function breakDisk() {
  if (how === "ro") {
    execFileSync("mount", ["-o", "remount,ro", root]);
    return;
  }
  for (let number = 0; ; number += 1) {
    try {
      fs.closeSync(openReally(`${root}/filler/${number}`, "wx"));
    } catch {
      return;
    }
  }
}
