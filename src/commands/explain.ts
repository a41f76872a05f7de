import type { Evidence, EvidenceKind } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { expandUri } from "../macros.ts";
import { errorFacts, type Paint } from "../messages.ts";
import { plugins } from "../registry.ts";
import type { Answer } from "../stages/geturi.ts";
import { askAll, withTaught } from "../stages/geturi.ts";
import { preinit } from "../stages/preinit.ts";
import { judge } from "../trust.ts";
import { isHost, type PlainUri, parseUri, redactUri } from "../uri.ts";
import type { Command, Invocation } from "./command.ts";
import { openRun } from "./open-run.ts";

/** Who was asked for the URI, what each answered, and why it won or lost. */
export const explain: Command = async (invocation) => {
  const { ctx, device } = openDevice(invocation);
  try {
    const { answers, chosen } = await askAll(ctx, device, plugins.resolvers, undefined);
    const told = answers.map((answer) => ({
      answer,
      why: why(answer, chosen),
      trust: answer.evidence && trustOf(device, answer, answer.evidence),
    }));
    const failure = chosen ? undefined : answers.find((answer) => answer.error)?.error;
    const exit = chosen ? "provisioned" : (failure?.exit ?? "no-uri");
    if (invocation.flags.isJson)
      invocation.print(
        JSON.stringify({ exit, answers: told.map(({ answer, why, trust }) => facts(answer, why, trust)) }),
      );
    else
      for (const { answer, why, trust } of told)
        invocation.print(line(answer, why, trust, answer === chosen, invocation.paint));
    return exit;
  } finally {
    await device.http.close();
  }
};

/** What one resolver says now, or the one a run would take. */
export const resolve: Command = async (invocation) => {
  const { ctx, device } = openDevice(invocation);
  try {
    const [name] = invocation.words;
    const asked = name === undefined ? plugins.resolvers : plugins.resolvers.filter((one) => one.name === name);
    if (asked.length === 0) throw new ProvisionError("USAGE", `no resolver is named ${name}`);
    const { answers, chosen } = await askAll(ctx, device, asked, undefined);
    const failure = answers.find((answer) => answer.error)?.error;
    if (chosen?.evidence === undefined)
      throw failure ?? new ProvisionError("NO_URI", "nobody names a provisioning URI");
    const uri = expandUri(chosen.evidence.uri, withTaught(device.macros, chosen.resolver, chosen.evidence)).text;
    invocation.print(invocation.flags.isJson ? JSON.stringify({ resolver: chosen.resolver, uri }) : uri);
    return "provisioned";
  } finally {
    await device.http.close();
  }
};

/** All macros of this device, expanded as far as they go. */
export const macros: Command = async (invocation) => {
  const { device } = openDevice(invocation);
  const rows = [...device.macros].sort(([a], [b]) => (a < b ? -1 : 1));
  if (invocation.flags.isJson) {
    invocation.print(
      JSON.stringify(
        Object.fromEntries(rows.map(([name, { value, isTainted, origin }]) => [name, { value, isTainted, origin }])),
      ),
    );
    return "provisioned";
  }
  for (const [name, { value, isTainted, origin }] of rows) {
    const taint = isTainted ? `, ${invocation.paint.warn("taught by the network")}` : "";
    invocation.print(`${`{${name}}`.padEnd(14)} ${value.padEnd(28)} ${invocation.paint.quiet(origin)}${taint}`);
  }
  return "provisioned";
};

function openDevice(invocation: Invocation): { ctx: RunContext; device: Device } {
  const ctx = openRun(invocation, { isDry: true });
  return { ctx, device: preinit(ctx) };
}

/** What a tree from there has to prove, by the same table that judges it: asked with the best transport that its URI allows, and no signature. */
function trustOf(device: Device, { resolver }: Answer, evidence: Evidence): string {
  const { settings, state } = device;
  const base = baseOf(device, resolver, evidence);
  if (base instanceof ProvisionError) return `not usable: ${base.message}`;
  const { scheme, host, port, isTainted } = base;
  const proof = scheme === "https" ? ({ kind: "ca", fingerprint: "" } as const) : ({ kind: "none" } as const);
  const verdict = judge({
    source: { resolver, evidence: evidence.evidence, isBaseTainted: isTainted },
    transport: { scheme, host, port, proof },
    isHostAllowed: settings.main.allowed_host.some((allowed) => isHost(allowed, host)),
    signatures: undefined,
    latch: state.latch,
    policy: settings.main.trust,
  });
  if (verdict.accepted)
    return verdict.by === "lab" ? "believed without proof (trust is `any`)" : "believed over TLS alone";
  if (state.latch?.kind === "origin")
    return `believed only as ${state.latch.host}:${state.latch.port}, the device's owner`;
  if (state.latch?.kind === "keys")
    return `must be signed by the device's owner (${state.latch.fingerprints.join(", ")})`;
  return "must be signed by a key of the device";
}

/** The URI as a run would expand it, or why it cannot. */
function baseOf(
  device: Device,
  resolver: string,
  evidence: Evidence,
): (PlainUri & { isTainted: boolean }) | ProvisionError {
  try {
    const { text, isTainted } = expandUri(evidence.uri, withTaught(device.macros, resolver, evidence));
    return { ...parseUri(text, `the URI of ${resolver}`), isTainted };
  } catch (thrown) {
    return asProvisionError(thrown);
  }
}

function why(answer: Answer, chosen: Answer | undefined): string {
  if (answer === chosen && answer.quarantinedFor)
    return `taken: nobody else knows who is trusted no less, though its tree failed lately (${answer.quarantinedFor})`;
  if (answer === chosen) return "taken: the first in order that knows";
  if (answer.quarantinedFor) return `not taken: its tree failed lately (${answer.quarantinedFor}), so others go first`;
  if (answer.blockedBy && answer.said === "source")
    return `not taken: ${answer.blockedBy} should know, could not find out, and is trusted no less`;
  switch (answer.said) {
    case "source":
      return `not taken: ${chosen?.resolver} stands before it`;
    case "nothing":
      return "knows of none";
    case "off":
      return answer.resolver === "lldp" ? "switched off, or lldpd is not there" : "switched off, or not set";
    case "error":
      return "should know, and could not find out";
    case "unasked":
      return "not asked";
  }
}

function line(answer: Answer, reason: string, trust: string | undefined, isChosen: boolean, paint: Paint): string {
  const mark = isChosen ? paint.good("→") : answer.said === "error" ? paint.bad("✗") : " ";
  const said = answer.evidence
    ? ` ${redactUri(answer.evidence.uri.text)} (${toldEvidence(answer.evidence.evidence)}${answer.evidence.told ? `, ${answer.evidence.told}` : ""})`
    : "";
  const failed = answer.error ? ` ${answer.error.code}: ${answer.error.message}` : "";
  const needed = trust === undefined ? "" : `; ${trust}`;
  return `${mark} ${answer.resolver.padEnd(8)}${reason}${said}${needed}${failed}`;
}

export function toldEvidence(kind: EvidenceKind): string {
  return `${kind === "none" ? "no" : kind} evidence`;
}

function facts(answer: Answer, reason: string, trust: string | undefined): Record<string, unknown> {
  return {
    resolver: answer.resolver,
    said: answer.said,
    why: reason,
    milliseconds: Math.round(answer.milliseconds),
    ...(answer.evidence
      ? {
          uri: redactUri(answer.evidence.uri.text),
          evidence: answer.evidence.evidence,
          trust,
          beacon: answer.evidence.beacon,
          macros: answer.evidence.macros,
        }
      : {}),
    ...(answer.error ? { error: errorFacts(answer.error) } : {}),
  };
}
