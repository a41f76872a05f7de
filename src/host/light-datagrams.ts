/**
 * A datagram socket asks node:cluster whether it is a worker's, and in a process that is none that loads child processes, TCP sockets and streams: 34 of
 * Node's own files, for a run without news more than all else that it loads (docs/performance.md). The half of node:cluster that workers get needs none of
 * them; told that this is no worker, it answers sockets and servers as the other half does. Should Node choose its half by another sign one day, it just
 * loads what it always did. Must come before the first socket is bound.
 */
export function keepDatagramsLight(): void {
  if (SIGN in process.env) return; // whoever started us says that it is so
  process.env[SIGN] = "";
  try {
    Object.assign(process.getBuiltinModule("node:cluster"), { isWorker: false, isPrimary: true, isMaster: true });
  } finally {
    delete process.env[SIGN];
  }
}

const SIGN = "NODE_UNIQUE_ID";
