import type { Log } from "../api.ts";
import { type Edns, type Message, type Question, query } from "../dns/message.ts";
import { formatName, lowerName, mixCase } from "../dns/name.ts";
import { RCODE, rcodeName } from "../dns/types.ts";
import { ProvisionError } from "../errors.ts";
import { type NameServer, serverText } from "./dns-server.ts";
import { askTcp } from "./dns-tcp.ts";
import { askUdp } from "./dns-udp.ts";
import { randomBytes } from "./random.ts";

/** Largest datagram asked for: it passes every path unfragmented (DNS flag day 2020). */
const UDP_SIZE = 1232;

/** Share of the deadline that each round over the servers gets; a slow answer to an early one still counts in the later ones. */
const ROUNDS = [1 / 6, 2 / 6, 3 / 6];

export interface ExchangeHow {
  readonly servers: readonly NameServer[];
  /** Milliseconds for all tries together. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Asks for signatures, and for answers that the server itself would refuse as bogus (DO and CD): the asker validates. */
  readonly dnssec?: boolean;
}

interface Try {
  readonly server: NameServer;
  /** Milliseconds until the next try begins beside this one. */
  readonly patience: number;
  /** In lower case and, unless signatures are wanted, without EDNS, for servers and boxes on the way that drop or alter other queries. */
  readonly isPlain: boolean;
}

/**
 * Asks the servers in turn, in three rounds, until one gives an answer: NOERROR or NXDOMAIN. A server that says anything else is not
 * asked again. DNS_FAILED: every server that spoke refused, failed, or spoke nonsense. DNS_TIMEOUT: none spoke. STOPPED: the signal fired.
 */
export function exchange(question: Question, how: ExchangeHow): Promise<Message> {
  const what = formatName(question.name);
  const tries = planTries(how);
  const sockets = new AbortController();
  const outOfTurn = new Set<NameServer>();
  const faults: unknown[] = [];
  let open = 0;
  /** The try whose patience is running; its failure starts the next at once. */
  let newest: Try | undefined;

  return new Promise((resolve, reject) => {
    let next: NodeJS.Timeout | undefined;
    const end = setTimeout(() => fail(), how.deadline);
    const finish = () => {
      clearTimeout(next);
      clearTimeout(end);
      how.signal.removeEventListener("abort", stop);
      sockets.abort();
    };
    const stop = () => {
      finish();
      reject(new ProvisionError("STOPPED", `asked to stop while looking up ${what}`, { cause: how.signal.reason }));
    };
    const fail = () => {
      finish();
      reject(failure(what, faults, how));
    };

    const startNext = () => {
      clearTimeout(next);
      newest = undefined;
      const one = tries.shift();
      if (!one) {
        if (open === 0) fail();
        return;
      }
      if (outOfTurn.has(one.server)) return startNext();
      start(one);
    };

    const start = (one: Try) => {
      next = setTimeout(startNext, one.patience);
      open++;
      newest = one;
      const doubt = (why: string) => {
        how.log("debug", `dns: ${serverText(one.server)} on ${what}: ${why}`);
        faults.push(new ProvisionError("DNS_FAILED", `${serverText(one.server)}: ${why}`));
        if (newest === one) startNext();
      };
      ask(one, question, { signal: sockets.signal, dnssec: how.dnssec ?? false, doubt }).then(
        (message) => {
          finish();
          resolve(message);
        },
        (fault: unknown) => {
          if (sockets.signal.aborted) return;
          open--;
          faults.push(fault);
          outOfTurn.add(one.server);
          how.log("debug", `dns: ${what}: ${fault instanceof Error ? fault.message : String(fault)}`);
          if (newest === one) startNext();
          else if (open === 0 && tries.length === 0) fail();
        },
      );
    };

    if (how.signal.aborted) return stop();
    how.signal.addEventListener("abort", stop, { once: true });
    startNext();
  });
}

function planTries({ servers, deadline }: ExchangeHow): Try[] {
  return ROUNDS.flatMap((share, round) =>
    servers.map((server) => ({
      server,
      patience: (deadline * share) / servers.length,
      isPlain: round === ROUNDS.length - 1,
    })),
  );
}

function failure(what: string, faults: readonly unknown[], how: ExchangeHow): ProvisionError {
  const asked = how.servers.map(serverText).join(", ");
  if (faults.length === 0) return new ProvisionError("DNS_TIMEOUT", `nobody answered for ${what} (asked ${asked})`);
  return new ProvisionError("DNS_FAILED", `no usable answer for ${what} (asked ${asked})`, { cause: faults.at(-1) });
}

interface AskHow {
  readonly signal: AbortSignal;
  readonly dnssec: boolean;
  readonly doubt: (why: string) => void;
}

/** One try at one server, whatever it takes: without EDNS if it does not know it, over TCP if the answer is cut. */
async function ask(one: Try, question: Question, how: AskHow): Promise<Message> {
  const edns = one.isPlain && !how.dnssec ? undefined : { udpSize: UDP_SIZE, version: 0, dnssecOk: how.dnssec };
  const message = await askOnce(one, question, edns, how);
  if (!edns || how.dnssec || !refusesEdns(message)) return acceptable(message, one.server);
  return acceptable(await askOnce(one, question, undefined, how), one.server);
}

async function askOnce(one: Try, question: Question, edns: Edns | undefined, how: AskHow): Promise<Message> {
  const fresh = () => freshQuery(question, edns, { isPlain: one.isPlain, dnssec: how.dnssec });
  const reply = await askUdp(one.server, fresh(), how);
  return reply.kind === "answer" ? reply.message : askTcp(one.server, fresh(), how.signal);
}

/** Each datagram has its own id, port and letter case, so that what was learnt from one helps nobody to forge the next. */
function freshQuery(question: Question, edns: Edns | undefined, how: { isPlain: boolean; dnssec: boolean }): Message {
  const random = randomBytes(34);
  const name = how.isPlain ? lowerName(question.name) : mixCase(question.name, random.subarray(2));
  return query({ name, type: question.type }, { id: random.readUInt16BE(0), edns, checkingDisabled: how.dnssec });
}

function refusesEdns({ rcode }: Message): boolean {
  return rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP || rcode === RCODE.BADVERS;
}

function acceptable(message: Message, server: NameServer): Message {
  if (message.rcode === RCODE.NOERROR || message.rcode === RCODE.NXDOMAIN) return message;
  throw new ProvisionError("DNS_FAILED", `${serverText(server)} answered ${rcodeName(message.rcode)}`);
}
