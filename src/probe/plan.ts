/** What a collector wants of a probe: whom to call, how often, with which sound. It comes from a server and becomes call files, so all of it is checked. */
import { isIP } from "node:net";
import type { Finding } from "../errors.ts";
import { asObject } from "../json-fields.ts";

export const CODECS = ["alaw", "ulaw"] as const;
export const TRANSPORTS = ["udp", "tcp"] as const;

export interface Partner {
  readonly id: string;
  /** DNS name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly transport: (typeof TRANSPORTS)[number];
}

export interface Plan {
  /** Seconds from the beginning of a round to that of the next. */
  readonly period: number;
  readonly partners: readonly Partner[];
  /** Name of the sound; `builtin` is the one every probe can make itself. */
  readonly sample: string;
  readonly codec: (typeof CODECS)[number];
}

export const BUILTIN = "builtin";
/** Bytes of a plan, with everything that will ever be in one. */
export const PLAN_BYTES = 65_536;
/** Calls at a time: what a small device and its uplink can bear. */
const MOST_PARTNERS = 50;
/** Faults that are told; a plan that is all wrong needs no more. */
const MOST_FAULTS = 20;

/** The plan, or every fault with its place; one wrong field refuses the whole, lest a probe call half of whom it should and nobody notice. */
export function parsePlan(
  text: string,
  uri: string,
): { readonly plan: Plan } | { readonly faults: readonly Finding[] } {
  const faults: Finding[] = [];
  const refuse = (place: string, wrong: string) => {
    if (faults.length < MOST_FAULTS)
      faults.push({
        code: "PLAN_INVALID",
        severity: "error",
        message: `${place} ${wrong}`,
        place: { file: uri, option: place },
      });
  };
  if (text.length > PLAN_BYTES) {
    refuse("plan", `is longer than ${PLAN_BYTES} bytes`);
    return { faults };
  }
  const fields = objectOf(parsed(text));
  if (fields === undefined) {
    refuse("plan", "is no JSON object");
    return { faults };
  }
  const { version = 1, period, partners, sample = BUILTIN, codec = CODECS[0] } = fields;
  if (version !== 1) refuse("version", `is ${show(version)}: this probe knows 1`);
  if (!isWhole(period, 60, 86_400)) refuse("period", `is ${show(period)}, no whole number of seconds from 60 to 86400`);
  if (!isId(sample)) refuse("sample", `is ${show(sample)}, ${NO_ID}`);
  if (!isOneOf(CODECS, codec)) refuse("codec", `is ${show(codec)}, none of ${CODECS.join(", ")}`);
  const known = Array.isArray(partners) ? partners.slice(0, MOST_PARTNERS) : [];
  if (!Array.isArray(partners)) refuse("partners", "is no list");
  else if (partners.length > MOST_PARTNERS)
    refuse("partners", `has ${partners.length} entries: ${MOST_PARTNERS} are allowed`);
  const read = known.flatMap((one: unknown, index) => parsePartner(one, `partners[${index}]`, refuse) ?? []);
  for (const [index, { id }] of read.entries()) {
    if (read.findIndex((one) => one.id === id) < index) refuse(`partners[${index}].id`, `${id} is there twice`);
  }
  if (faults.length > 0 || !isId(sample) || !isOneOf(CODECS, codec) || typeof period !== "number") return { faults };
  return { plan: { period, partners: read, sample, codec } };
}

function parsePartner(
  value: unknown,
  place: string,
  refuse: (place: string, wrong: string) => void,
): Partner | undefined {
  const fields = objectOf(value);
  if (fields === undefined) {
    refuse(place, "is no object");
    return undefined;
  }
  const { id, host, port = 5060, transport = TRANSPORTS[0], label } = fields;
  if (!isId(id)) refuse(`${place}.id`, `is ${show(id)}, ${NO_ID}`);
  if (!isHost(host)) refuse(`${place}.host`, `is ${show(host)}, no host name or address`);
  if (!isWhole(port, 1, 65_535)) refuse(`${place}.port`, `is ${show(port)}, no port`);
  if (!isOneOf(TRANSPORTS, transport))
    refuse(`${place}.transport`, `is ${show(transport)}, none of ${TRANSPORTS.join(", ")}`);
  // Not used here; but whoever sends such a label means no good, or would put it on a page.
  if (label !== undefined && !isLabel(label))
    refuse(`${place}.label`, `is ${show(label)}, no text of 64 characters without controls`);
  if (!isId(id) || !isHost(host) || !isWhole(port, 1, 65_535) || !isOneOf(TRANSPORTS, transport)) return undefined;
  return { id, host, port, transport };
}

const NO_ID = "no name of up to 32 small letters, digits and `-`";

/** It names files, and stands in call files and in Asterisk's dial plan. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9][a-z0-9-]{0,31}$/.test(value);
}

/** A DNS name (RFC 1123 §2.1) or an address: it becomes part of a SIP URI. Four numbers that are no address are no name either. */
export function isHost(value: unknown): value is string {
  if (typeof value !== "string" || value.length > 253) return false;
  if (isIP(value) !== 0) return !value.includes("%");
  return (
    !/^[0-9.]+$/.test(value) &&
    value.split(".").every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))
  );
}

/** A name for people. */
export function isLabel(value: unknown): value is string {
  return typeof value === "string" && value.length <= 64 && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value);
}

export function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

export function isOneOf<const T extends string>(all: readonly T[], value: unknown): value is T {
  return all.some((one) => one === value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  try {
    return asObject(value);
  } catch {
    return undefined;
  }
}

/** Quoted and cut, with what steers terminals escaped. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return short.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
