// Loaded before the daemon (node --require): its pauses, all its waiting and the clock that it measures them by pass 50 times as fast.
const timers = require("node:timers/promises");
const FASTER = 50;

const elapsed = process.hrtime.bigint;
process.hrtime.bigint = () => elapsed() * BigInt(FASTER);
const sleep = timers.setTimeout;
timers.setTimeout = (milliseconds, ...rest) => sleep(milliseconds / FASTER, ...rest);
