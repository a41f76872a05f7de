import { createHash } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  connect as connectTls,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { Clock, ServerProof } from "../../api.ts";
import type { Tlsa } from "../../dns/rdata.ts";
import { type ErrorCode, ProvisionError } from "../../errors.ts";
import type { AskServerKeys } from "../tlsa.ts";
import { isPublished, publicKeyOf, usableRecords } from "./dane.ts";
import { type LinkPhase, linkFault } from "./faults.ts";
import type { HttpSettings } from "./how.ts";
import { sharedLookup } from "./lookups.ts";
import { type Anchors, anchorSets } from "./roots.ts";

/** An open connection and what is known of the server at its other end. */
export interface Link {
  readonly socket: Socket | TLSSocket;
  /** The strongest first; none: plain HTTP. */
  readonly proofs: readonly ServerProof[];
  /** Opened before anybody asked for it: the server may have closed it at the moment it is used. */
  readonly hasWaited?: true;
}

/** Told once how it went: an error, or the link. */
export type OnLink = (error: Error | undefined, link?: Link) => void;

/** Opens connections by one device's settings, and closes those still being opened when asked to. */
export interface Connector {
  /** TCP alone: the name is looked up, its addresses are tried. */
  reach(origin: URL, done: (error: Error | undefined, line?: Socket) => void): void;
  /** Makes an open TCP connection a link: TLS where the origin has it, and who the server is. */
  secure(origin: URL, line: Socket, done: OnLink): void;
  /** Both. */
  open(origin: URL, done: OnLink): void;
  /** Nothing is opened after this, and what is handed in then is closed. */
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
  const published = publishedKeys(serverKeys);
  const lookup = sharedLookup();
  const seconds = settings.connectSeconds;
  let isClosed = false;

  const prepareAnchors = (origin: URL) => {
    try {
      authorities[chosen.get(origin.origin) ?? 0]?.();
    } catch {
      // whoever needs them is told
    }
  };

  const reach: Connector["reach"] = (origin, done) => {
    if (isClosed) return done(new Error("closed"));
    const { host, port } = address(origin);
    const peer = peerOf(origin);
    let phase: LinkPhase = isIP(host) ? "connecting to" : "looking up";
    let began = clock.elapsed();
    const line = connectTcp({
      host,
      port,
      lookup,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_MILLISECONDS,
    });
    opening.add(line);
    // Reading CAs takes the processor, a handshake the network.
    if (origin.protocol === "https:") setImmediate(() => prepareAnchors(origin));
    line.once("lookup", (error: Error | null) => {
      if (error) return;
      phase = "connecting to";
      began = clock.elapsed();
    });
    awaitEvent(line, "connect", { phase: () => phase, peer, seconds, isClockPlausible }, (error) => {
      opening.delete(line);
      if (error) return done(error);
      // Not by the option `noDelay`: that does not reach what TLS makes of it.
      line.setNoDelay(true);
      onReached(origin, clock.elapsed() - began);
      done(undefined, line);
    });
  };

  const secure: Connector["secure"] = (origin, line, done) => {
    if (isClosed) return refuse(line, done);
    if (origin.protocol !== "https:") return done(undefined, { socket: line, proofs: [] });
    if (serverKeys === undefined) return shakeHands(origin, line, undefined, done);
    published.of(origin).then(
      (keys) => (isClosed ? refuse(line, done) : shakeHands(origin, line, keys, done)),
      (thrown: unknown) => {
        line.destroy();
        done(thrown instanceof Error ? thrown : new Error(String(thrown)));
      },
    );
  };

  const refuse = (line: Socket, done: OnLink) => {
    line.destroy();
    done(new Error("closed"));
  };

  const shakeHands = (origin: URL, line: Socket, keys: PublishedKeys | undefined, done: OnLink) => {
    const peer = peerOf(origin);
    const set = chosen.get(origin.origin) ?? 0;
    try {
      const anchors = authorities[set]?.();
      if (anchors === undefined) throw new ProvisionError("INTERNAL", "there is no set of CAs to try");
      let shown: DetailedPeerCertificate | undefined;
      const socket = startTls(origin, line, anchors.context, pins.length > 0 || keys !== undefined, (certificate) => {
        shown = certificate;
      });
      opening.add(socket);
      awaitEvent(socket, "secureConnect", { phase: () => "TLS with", peer, seconds, isClockPlausible }, (error) => {
        opening.delete(socket);
        let proofs: readonly ServerProof[];
        try {
          if (error) throw error;
          proofs = proveServer(socket, shown, pins, keys, anchors);
        } catch (thrown) {
          socket.on("error", () => undefined).destroy();
          const fault = linkFault(thrown, "TLS with", peer, isClockPlausible);
          if (fault.code !== "TLS_UNTRUSTED" || isClosed || set + 1 >= authorities.length) return done(fault);
          chosen.set(origin.origin, set + 1);
          return open(origin, done);
        }
        done(undefined, { socket, proofs });
      });
    } catch (thrown) {
      line.destroy();
      done(linkFault(thrown, "TLS with", peer, isClockPlausible));
    }
  };

  const open: Connector["open"] = (origin, done) => {
    const begin = () => reach(origin, (error, line) => (line === undefined ? done(error) : secure(origin, line, done)));
    try {
      // What the settings have wrong is told before anything leaves.
      if (origin.protocol === "https:") authorities[chosen.get(origin.origin) ?? 0]?.();
      if (serverKeys === undefined || origin.protocol !== "https:") return begin();
    } catch (thrown) {
      return done(linkFault(thrown, "connecting to", peerOf(origin), isClockPlausible));
    }
    published.of(origin).then(
      () => (isClosed ? done(new Error("closed")) : begin()),
      (thrown: unknown) => done(thrown instanceof Error ? thrown : new Error(String(thrown))),
    );
  };
  return {
    reach,
    secure,
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

/**
 * With pins or TLSA, OpenSSL's verdict is only noted (`rejectUnauthorized: false`) and `proveServer` judges before the first byte is sent.
 * No session is ever offered for resumption: a resumed one skips the check of names, and of pins.
 */
function startTls(
  origin: URL,
  line: Socket,
  context: SecureContext,
  isJudgedHere: boolean,
  onShown: (certificate: DetailedPeerCertificate) => void,
): TLSSocket {
  const { host } = address(origin);
  return connectTls({
    socket: line,
    host,
    secureContext: context,
    servername: isIP(host) ? "" : host,
    rejectUnauthorized: !isJudgedHere,
    checkServerIdentity(name, certificate) {
      onShown(certificate as DetailedPeerCertificate); // Node hands over the whole chain: it need not be made twice
      return checkServerIdentity(name, certificate);
    },
    ALPNProtocols: ["http/1.1"],
  });
}

interface Awaited {
  /** What it is busy with, for whoever is told of a failure. */
  phase(): LinkPhase;
  readonly peer: string;
  readonly seconds: number;
  readonly isClockPlausible: () => boolean;
}

/** Until `event`, or what comes instead of it: then the socket is closed, and `done` has the reason. */
function awaitEvent(
  socket: Socket,
  event: "connect" | "secureConnect",
  { phase, peer, seconds, isClockPlausible }: Awaited,
  done: (error?: ProvisionError) => void,
): void {
  const settle = (error?: ProvisionError) => {
    clearTimeout(timer);
    socket.off("error", onError).off("close", onClose).off(event, onEvent);
    if (error !== undefined) socket.on("error", () => undefined).destroy();
    done(error);
  };
  const fail = (thrown: unknown) => settle(linkFault(thrown, phase(), peer, isClockPlausible));
  const onEvent = () => settle();
  const onError = (thrown: Error) => fail(thrown);
  const onClose = () => fail(new ProvisionError("CONNECT_FAILED", `${phase()} ${peer}: the connection was closed`));
  const timer = setTimeout(() => {
    settle(new ProvisionError(LATE[phase()], `${phase()} ${peer}: no answer within ${seconds} s`));
  }, seconds * 1000);
  socket.once(event, onEvent).once("error", onError).once("close", onClose);
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
  shown: DetailedPeerCertificate | undefined,
  pins: readonly string[],
  keys: PublishedKeys | undefined,
  anchors: Anchors,
): readonly ServerProof[] {
  // Not getPeerX509Certificate: on Node 20 the socket knows no certificate any more once that was called.
  const told = shown ?? socket.getPeerCertificate(true);
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
