import { createHash } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, type TLSSocket } from "node:tls";
import type { Clock, ServerProof } from "../../api.ts";
import type { Tlsa } from "../../dns/rdata.ts";
import { type ErrorCode, ProvisionError } from "../../errors.ts";
import type { AskServerKeys } from "../tlsa.ts";
import { isPublished, publicKeyOf, usableRecords } from "./dane.ts";
import { type LinkPhase, linkFault } from "./faults.ts";
import type { HttpSettings } from "./how.ts";
import { type Anchors, anchorSets } from "./roots.ts";

/** An open connection and what is known of the server at its other end. */
export interface Link {
  readonly socket: Socket | TLSSocket;
  /** The strongest first; none: plain HTTP. */
  readonly proofs: readonly ServerProof[];
  /** Opened before anybody asked for it: the server may have closed it at the moment it is used. */
  readonly hasWaited?: true;
}

/** Opens connections by one device's settings, and closes those still being opened when asked to. */
export interface Connector {
  open(origin: URL, done: (error: Error | undefined, link?: Link) => void): void;
  close(): void;
}

/** Node gives each address but the last this long before it tries the next one; its own 250 ms is less than a satellite's round trip. */
const ADDRESS_MILLISECONDS = 1_500;

/** `onReached` is told how long each TCP handshake took, in milliseconds. */
export function connector(
  settings: HttpSettings,
  clock: Pick<Clock, "elapsed">,
  isClockPlausible: () => boolean,
  serverKeys: AskServerKeys | undefined,
  onReached: (origin: URL, milliseconds: number) => void,
): Connector {
  const opening = new Set<Socket>();
  const pins = settings.pins.map(pinAsHex);
  const authorities = anchorSets(settings);
  /** Which set of CAs an origin was last tried against. */
  const chosen = new Map<string, number>();
  let isClosed = false;

  const published = publishedKeys(serverKeys);
  const open: Connector["open"] = (origin, done) => {
    if (serverKeys === undefined || origin.protocol !== "https:") return start(origin, undefined, done);
    published.of(origin).then(
      (keys) => (isClosed ? done(new Error("closed")) : start(origin, keys, done)),
      (thrown: unknown) => done(thrown instanceof Error ? thrown : new Error(String(thrown))),
    );
  };

  const start = (origin: URL, keys: PublishedKeys | undefined, done: Parameters<Connector["open"]>[1]) => {
    try {
      const set = chosen.get(origin.origin) ?? 0;
      const anchors = origin.protocol === "https:" ? authorities[set]?.() : undefined;
      const socket = anchors
        ? startTls(origin, anchors.context, pins.length > 0 || keys !== undefined)
        : startTcp(origin);
      opening.add(socket);
      const prove = () => (anchors ? proveServer(socket as TLSSocket, pins, keys, anchors) : []);
      awaitLink(socket, { origin, settings, clock, isClockPlausible, prove, onReached }, (error, link) => {
        opening.delete(socket);
        const isUnknown = error instanceof ProvisionError && error.code === "TLS_UNTRUSTED";
        if (!isUnknown || isClosed || set + 1 >= authorities.length) return done(error, link);
        chosen.set(origin.origin, set + 1);
        start(origin, keys, done);
      });
    } catch (thrown) {
      done(linkFault(thrown, "connecting to", peerOf(origin), isClockPlausible));
    }
  };
  return {
    open,
    close() {
      isClosed = true;
      published.close();
      for (const socket of opening) socket.destroy();
    },
  };
}

/** What a server's zone says of it, and under which trust anchor. */
interface PublishedKeys {
  readonly anchor: string;
  readonly records: readonly Tlsa[];
}

/** TLSA by origin, asked once for all connections; what could not be found out is asked again. Undefined: nothing that a server could be judged by. */
function publishedKeys(ask: AskServerKeys | undefined) {
  const known = new Map<string, Promise<PublishedKeys | undefined>>();
  const closing = new AbortController();
  const lookUp = async (origin: URL): Promise<PublishedKeys | undefined> => {
    const { host, port } = address(origin);
    if (ask === undefined || isIP(host)) return undefined;
    try {
      const found = await ask(host, port, closing.signal);
      const records = found.kind === "records" ? usableRecords(found.records) : [];
      return found.kind === "records" && records.length > 0 ? { anchor: found.anchor, records } : undefined;
    } catch (thrown) {
      known.delete(origin.origin);
      throw toldOf(thrown, `TLSA of ${peerOf(origin)}`);
    }
  };
  return {
    of(origin: URL): Promise<PublishedKeys | undefined> {
      const found = known.get(origin.origin) ?? lookUp(origin);
      known.set(origin.origin, found);
      return found;
    },
    close: () => closing.abort(),
  };
}

function toldOf(thrown: unknown, what: string): unknown {
  if (!(thrown instanceof ProvisionError)) return thrown;
  return new ProvisionError(
    thrown.code,
    `${what}: ${thrown.message}`,
    thrown.cause === undefined ? {} : { cause: thrown.cause },
  );
}

function startTcp(origin: URL): Socket {
  return connectTcp({ ...address(origin), ...TCP });
}

/**
 * With pins or TLSA, OpenSSL's verdict is only noted (`rejectUnauthorized: false`) and `proveServer` judges before the first byte is sent.
 * No session is ever offered for resumption: a resumed one skips the check of names, and of pins.
 */
function startTls(origin: URL, context: SecureContext, isJudgedHere: boolean): TLSSocket {
  const { host, port } = address(origin);
  return connectTls({
    host,
    port,
    ...TCP,
    secureContext: context,
    servername: isIP(host) ? "" : host,
    rejectUnauthorized: !isJudgedHere,
    ALPNProtocols: ["http/1.1"],
  });
}

const TCP = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: ADDRESS_MILLISECONDS } as const;

interface Awaited {
  readonly origin: URL;
  readonly settings: HttpSettings;
  readonly clock: Pick<Clock, "elapsed">;
  readonly isClockPlausible: () => boolean;
  readonly prove: () => readonly ServerProof[];
  readonly onReached: (origin: URL, milliseconds: number) => void;
}

function awaitLink(socket: Socket, how: Awaited, done: (error: Error | undefined, link?: Link) => void): void {
  const peer = peerOf(how.origin);
  const isTls = how.origin.protocol === "https:";
  let phase: LinkPhase = isIP(address(how.origin).host) ? "connecting to" : "looking up";
  let began = how.clock.elapsed();
  const settle = (error: ProvisionError | undefined) => {
    clearTimeout(timer);
    socket.off("error", onError).off("close", onClose).off(ready, onReady);
    if (error === undefined) return;
    socket.on("error", () => undefined).destroy();
    done(error);
  };
  const fail = (thrown: unknown) => settle(linkFault(thrown, phase, peer, how.isClockPlausible));
  const onError = (thrown: Error) => fail(thrown);
  const onClose = () => fail(new ProvisionError("CONNECT_FAILED", `${phase} ${peer}: the connection was closed`));
  const onReady = () => {
    try {
      const proofs = how.prove();
      settle(undefined);
      done(undefined, { socket, proofs });
    } catch (thrown) {
      fail(thrown);
    }
  };
  const seconds = how.settings.connectSeconds;
  const timer = setTimeout(() => {
    settle(new ProvisionError(LATE[phase], `${phase} ${peer}: no answer within ${seconds} s`));
  }, seconds * 1000);
  const ready = isTls ? "secureConnect" : "connect";
  socket
    .once("lookup", (error: Error | null) => {
      if (error) return;
      phase = "connecting to";
      began = how.clock.elapsed();
    })
    .once("connect", () => {
      if (isTls) phase = "TLS with";
      // The option `noDelay` does not reach a TLS socket: its first request would wait until the server has acknowledged the handshake's last message.
      socket.setNoDelay(true);
      how.onReached(how.origin, how.clock.elapsed() - began);
    })
    .once(ready, onReady)
    .once("error", onError)
    .once("close", onClose);
}

const LATE = {
  "looking up": "DNS_TIMEOUT",
  "connecting to": "CONNECT_FAILED",
  "TLS with": "HTTP_TIMEOUT",
} as const satisfies Record<LinkPhase, ErrorCode>;

/**
 * Who the server is: by its own key if that is pinned or published in its zone (then names and dates do not matter, RFC 7671 §5.1), or by the CA that OpenSSL
 * verified it up to. Throws OpenSSL's verdict if it is none of them. What its zone publishes must fit, whatever else would do.
 */
function proveServer(
  socket: TLSSocket,
  pins: readonly string[],
  keys: PublishedKeys | undefined,
  anchors: Anchors,
): readonly ServerProof[] {
  // Not getPeerX509Certificate: on Node 20 the socket knows no certificate any more once that was called.
  const told = socket.getPeerCertificate(true);
  if (told.raw === undefined) throw new ProvisionError("TLS_UNTRUSTED", "the server shows no certificate");
  if (keys && !isPublished(keys.records, told.raw))
    throw new ProvisionError("TLSA_MISMATCH", "none of its TLSA records is of the certificate that it shows");
  const proofs: ServerProof[] = [];
  if (pins.length > 0) {
    const key = createHash("sha256").update(publicKeyOf(told.raw)).digest("hex");
    if (pins.includes(key)) proofs.push({ kind: "pin", fingerprint: key });
  }
  if (keys) proofs.push({ kind: "tlsa", fingerprint: keys.anchor });
  if (socket.authorized) proofs.push({ kind: "ca", fingerprint: anchors.fingerprint(told) });
  if (proofs.length === 0) throw verdictOf(socket);
  return proofs;
}

/** Node keeps the verdict of a socket that was not to be rejected as a bare code, whatever its types say. */
function verdictOf(socket: TLSSocket): Error {
  const verdict: unknown = socket.authorizationError;
  const code = verdict instanceof Error ? verdict.message : String(verdict);
  return Object.assign(new Error("the certificate is not accepted, and its key is not pinned"), { code });
}

function pinAsHex(pin: string): string {
  // Base64 may begin with a slash itself: it is a prefix's only where the rest has the right length.
  for (const prefix of [/^sha256\/\//i, /^sha256[/:]/i, /^/]) {
    const bare = pin.replace(prefix, "").replaceAll(":", "");
    if (/^[0-9a-f]{64}$/i.test(bare)) return bare.toLowerCase();
    if (/^[A-Za-z0-9+/]{43}=?$/.test(bare)) return Buffer.from(bare, "base64").toString("hex");
  }
  throw new ProvisionError("SETTINGS_INVALID", "a pin is the SHA-256 of a public key: 64 hex digits or base64", {
    place: { option: "uciprov.main.pin" },
  });
}

function address(origin: URL): { host: string; port: number } {
  const host = origin.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(origin.port) || (origin.protocol === "https:" ? 443 : 80) };
}

function peerOf(origin: URL): string {
  return `${origin.hostname}:${address(origin).port}`;
}
