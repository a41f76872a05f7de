import type { Evidence, EvidenceKind, MacroTable, Resolver, ResolverContext, Template } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { type Expanded, expandUri } from "../macros.ts";
import { notePassedOver, quarantinedFor } from "./quarantine.ts";

/** What one resolver said in this run, for `explain`. */
export interface Answer {
  readonly resolver: string;
  readonly said: "source" | "nothing" | "error" | "off" | "unasked";
  readonly evidence?: Evidence;
  readonly error?: ProvisionError;
  readonly milliseconds: number;
  /** Set where an earlier failure keeps this answer from being used. */
  readonly blockedBy?: string;
  /** Set where its tree failed lately: why. It is taken only if nobody else who is trusted no less knows. */
  readonly quarantinedFor?: string;
}

/** Where the tree is, as this run believes, and how it came to believe it. */
export interface Source {
  readonly resolver: string;
  readonly evidence: EvidenceKind;
  /** The base URI, expanded and checked, without a slash at its end. */
  readonly base: Expanded;
  /** The macros of the device, and those that came with the answer. */
  readonly macros: MacroTable;
  readonly beacon: string | undefined;
  readonly answers: readonly Answer[];
}

/** Waits for everybody, for `explain`; a run stops listening as soon as the answer stands. */
export interface Asking {
  readonly all: boolean;
}

/**
 * Asks all enabled resolvers at once, each under its own deadline, and takes the first in the order of the settings that knows. One
 * that should know and could not find out blocks those after it that could give no better evidence: else who silences DNS would be
 * asked next, by DHCP. One whose tree failed lately lets those go first that give no weaker evidence. NO_URI if nobody knows; the first failure if
 * one stands in the way.
 */
export async function getUri(
  ctx: RunContext,
  device: Device,
  resolvers: readonly Resolver[],
  offered: Template | undefined,
  asking: Asking = { all: false },
): Promise<Source> {
  const { answers, chosen } = await ask(ctx, device, inOrder(device, resolvers, offered), asking);
  if (chosen?.evidence) return sourceOf(device, chosen.resolver, chosen.evidence, answers);
  const failure = answers.find((answer) => answer.error)?.error;
  if (failure) throw failure;
  const asked = answers.filter((answer) => answer.said === "nothing").map((answer) => answer.resolver);
  throw new ProvisionError("NO_URI", `nobody names a provisioning URI (asked: ${asked.join(", ") || "no one"})`);
}

/** Every answer without a choice made final: what `explain` and `resolve` show. */
export async function askAll(
  ctx: RunContext,
  device: Device,
  resolvers: readonly Resolver[],
  offered: Template | undefined,
): Promise<{ answers: readonly Answer[]; chosen: Answer | undefined }> {
  return ask(ctx, device, inOrder(device, resolvers, offered), { all: true });
}

function inOrder(device: Device, resolvers: readonly Resolver[], offered: Template | undefined): Resolver[] {
  const listed = device.settings.main.resolver.flatMap(
    (name) => resolvers.find((resolver) => resolver.name === name) ?? [],
  );
  if (offered === undefined) return listed;
  const afterStatic = listed.findIndex((resolver) => resolver.name === "static") + 1;
  return [...listed.slice(0, afterStatic), offering(offered), ...listed.slice(afterStatic)];
}

/** A hook's answer takes part like a resolver's: its file is root's own, as the settings are. */
function offering(uri: Template): Resolver {
  return {
    name: "hook",
    evidence: "local",
    deadline: 1000,
    isEnabled: () => true,
    resolve: async () => ({ uri, evidence: "local", told: "offered by a hook" }),
  };
}

async function ask(
  ctx: RunContext,
  device: Device,
  resolvers: readonly Resolver[],
  asking: Asking,
): Promise<{ answers: readonly Answer[]; chosen: Answer | undefined }> {
  const enough = new AbortController();
  const signal = AbortSignal.any([ctx.signal, enough.signal]);
  const pending = resolvers.map((resolver) => askOne(ctx, device, resolver, signal));
  const answers: Answer[] = [];
  let chosen: Answer | undefined;
  let blocker: { name: string; strength: number } | undefined;
  const aside: { answer: Answer; strength: number }[] = [];
  for (const [index, resolver] of resolvers.entries()) {
    if (chosen && !asking.all) {
      answers.push({ resolver: resolver.name, said: "unasked", milliseconds: 0 });
      continue;
    }
    const answer = (await pending[index]) ?? unasked(resolver);
    const strength = strengthOf(answer.evidence?.evidence ?? resolver.evidence);
    const isBlocked = blocker !== undefined && strength <= blocker.strength;
    const failedFor = isBlocked ? undefined : quarantineOf(ctx, device, answer);
    const told = {
      ...answer,
      ...(isBlocked && blocker ? { blockedBy: blocker.name } : {}),
      ...(failedFor === undefined ? {} : { quarantinedFor: failedFor }),
    };
    answers.push(told);
    if (answer.said === "error") {
      const failed = strengthOf(resolver.evidence);
      if (blocker === undefined || failed > blocker.strength) blocker = { name: resolver.name, strength: failed };
      // A forged or altered answer is an attack, not a silence: it stops the run whoever else knows.
      if (answer.error?.exit === "trust-refused" && !asking.all) break;
    }
    if (answer.said !== "source" || isBlocked) continue;
    if (failedFor !== undefined) aside.push({ answer: told, strength });
    else if (aside.every((one) => strength >= one.strength)) chosen ??= told;
  }
  if (chosen && !asking.all) for (const { answer } of aside) passOver(ctx, device, answer);
  chosen ??= aside[0]?.answer;
  enough.abort();
  await Promise.allSettled(pending);
  ctx.signal.throwIfAborted();
  return { answers, chosen };
}

function quarantineOf(ctx: RunContext, device: Device, { resolver, evidence }: Answer): string | undefined {
  const base = evidence && baseOf(device, resolver, evidence);
  return base && quarantinedFor(ctx, { resolver, base });
}

function passOver(ctx: RunContext, device: Device, { resolver, evidence, quarantinedFor: code }: Answer): void {
  const base = evidence && baseOf(device, resolver, evidence);
  if (base === undefined) return;
  ctx.log("warning", `${resolver} is passed over: its tree failed lately (${code})`);
  notePassedOver(ctx, { resolver, base });
}

/** Undefined if the template cannot be expanded; whoever takes it will hear why. */
function baseOf(device: Device, resolver: string, evidence: Evidence): Expanded | undefined {
  try {
    return sourceOf(device, resolver, evidence, []).base;
  } catch {
    return undefined;
  }
}

function unasked(resolver: Resolver): Answer {
  return { resolver: resolver.name, said: "unasked", milliseconds: 0 };
}

async function askOne(ctx: RunContext, device: Device, resolver: Resolver, signal: AbortSignal): Promise<Answer> {
  const context = resolverContext(ctx, device, AbortSignal.any([signal, AbortSignal.timeout(resolver.deadline)]));
  if (!resolver.isEnabled(context)) return { resolver: resolver.name, said: "off", milliseconds: 0 };
  const began = ctx.clock.elapsed();
  const told = (said: Answer["said"], more: Pick<Answer, "evidence" | "error"> = {}): Answer => ({
    resolver: resolver.name,
    said,
    milliseconds: ctx.clock.elapsed() - began,
    ...more,
  });
  try {
    const evidence = await untilAborted(resolver.resolve(context), context.signal, resolver);
    return evidence === undefined ? told("nothing") : told("source", { evidence });
  } catch (thrown) {
    return told("error", { error: asProvisionError(thrown) });
  }
}

/** A resolver that does not listen to its signal is left behind at its deadline. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal, resolver: Resolver): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () =>
      reject(new ProvisionError("DNS_TIMEOUT", `resolver ${resolver.name} did not answer in ${resolver.deadline} ms`));
    if (signal.aborted) late();
    signal.addEventListener("abort", late, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", late));
  });
}

function resolverContext(ctx: RunContext, device: Device, signal: AbortSignal): ResolverContext {
  return {
    files: ctx.disk,
    commands: ctx.commands,
    dns: ctx.dns,
    http: device.http,
    settings: device.settings,
    facts: device.facts,
    macros: device.macros,
    clock: ctx.clock,
    log: ctx.log,
    signal,
  };
}

/** Evidence that is ours outweighs what anybody on the network can say. */
function strengthOf(evidence: EvidenceKind): number {
  return evidence === "none" ? 0 : 1;
}

function sourceOf(device: Device, resolver: string, evidence: Evidence, answers: readonly Answer[]): Source {
  const macros = withTaught(device.macros, resolver, evidence);
  const base = expandUri(evidence.uri, macros);
  return {
    resolver,
    evidence: evidence.evidence,
    base: { ...base, text: base.text.replace(/\/+$/, "") },
    macros: new Map([...macros, ["resolver", { value: resolver, isTainted: false, origin: "this run" }]]),
    beacon: evidence.beacon,
    answers,
  };
}

/** Macros that came with an answer never replace the device's own facts. */
export function withTaught(macros: MacroTable, resolver: string, evidence: Evidence): MacroTable {
  const isTainted = evidence.evidence === "none";
  const taught = Object.entries(evidence.macros ?? {}).filter(([name]) => !macros.has(name));
  return new Map([
    ...macros,
    ...taught.map(([name, value]) => [name, { value, isTainted, origin: resolver, isLiteral: true }] as const),
  ]);
}
