import { toldEvidence } from "../../commands/explain.ts";
import { planFacts, tellPlan } from "../../commands/tell-plan.ts";
import { errorFacts, type Paint, tellError } from "../../messages.ts";
import { toldUnsettled } from "../../plan.ts";
import { inLine } from "../../stages/fetch/turn.ts";
import { printInstant } from "../../tree/manifest-headers.ts";
import { type Turn, turnOf } from "../../tree/rollout.ts";
import { redactUri } from "../../uri.ts";
import type { LayerPlan } from "./layers-of.ts";
import type { PaperPlan, PaperTrust } from "./plan-one.ts";

/** The number of the JSON answer's form; it grows when a reader of an older one would be misled. */
const VERSION = 1;

interface Telling {
  readonly showsSecrets: boolean;
}

/** A run on paper for people: who, from where, believed why, which layers, and the device's own words for what would change. */
export function tellPaperPlan(paper: PaperPlan, paint: Paint, options: Telling): string {
  const { device, source, trust, layers, elsewhere, plan, failure } = paper;
  const { facts } = device;
  const turn = turnIn(paper);
  const who = [facts.hostname, facts.mac, facts.board, `${facts.distro} ${facts.release}`].filter(Boolean).join(", ");
  const lines = [
    `${paint.strong("device")} ${shown(who)}${device.state.confirmed ? "" : "; first boot"}`,
    `${paint.strong("uri")} ${redactUri(source.base.text)}, named by ${source.resolver} (${toldEvidence(source.evidence)})`,
    `${paint.strong("trust")} ${tellTrust(trust, paint)}`,
    ...(turn === undefined ? [] : [`${paint.strong("roll-out")} ${tellTurn(turn)}`]),
    "",
    paint.strong("layers"),
    ...(paper.failure && layers.every(({ found }) => found === undefined)
      ? ["  none came: the reason stands below"]
      : layers.map((layer) => `  ${tellLayer(layer, paint)}`)),
    ...elsewhere.map(
      (uri) => `  ${paint.warn("?")} ${uri} is not part of the tree: what is there only the device can tell`,
    ),
  ];
  if (plan) lines.push("", tellPlan(plan, paint, options));
  if (plan?.unsettled !== undefined)
    lines.push(
      "",
      `${paint.warn("one more pass")} follows: ${toldUnsettled(plan.unsettled)} changes what the tree's own URIs say`,
    );
  if (failure) lines.push("", tellError(failure, paint));
  return lines.join("\n");
}

/** The same for programs. */
export function paperFacts(paper: PaperPlan, options: Telling): Record<string, unknown> {
  const { device, source, trust, layers, elsewhere, plan, failure } = paper;
  const turn = turnIn(paper);
  return {
    version: VERSION,
    device: { ...device.facts, isFirstBoot: device.state.confirmed === undefined },
    source: { uri: redactUri(source.base.text), resolver: source.resolver, evidence: source.evidence },
    trust: trust.verdict === "accepted" ? trust : { verdict: trust.verdict, error: errorFacts(trust.error) },
    layers: layers.map(({ unasked, ...layer }) => ({
      ...layer,
      ...(unasked === undefined ? {} : { unasked: errorFacts(unasked) }),
    })),
    elsewhere,
    ...(turn === undefined ? {} : { turn: turnFacts(turn) }),
    ...(plan ? { plan: { ...planFacts(plan, options), unsettled: plan.unsettled } } : {}),
    ...(failure ? { error: errorFacts(failure) } : {}),
  };
}

/** When a device that has a tree already would take this one; undefined: nothing is rolled out. */
function turnIn({ device, plan }: PaperPlan): Turn | undefined {
  const manifest = plan?.download.manifest;
  if (manifest === undefined) return undefined;
  const turn = turnOf(manifest, inLine(device), { now: Date.now(), isClockProven: true, sinceBoot: 0 });
  return turn.hours === 0 ? undefined : turn;
}

function tellTurn({ hours, at }: Turn): string {
  if (hours === "hold") return "held: only a first boot takes it";
  return at === undefined
    ? `over ${hours} h`
    : `over ${hours} h; this device's turn is ${printInstant(at)} (a first boot does not wait)`;
}

function turnFacts({ hours, at }: Turn): Record<string, unknown> {
  return { hours, ...(at === undefined ? {} : { at: printInstant(at) }) };
}

function tellTrust(trust: PaperTrust, paint: Paint): string {
  if (trust.verdict === "accepted") {
    const signers = trust.signers.length > 0 ? `, key ${trust.signers.join(", ")}` : "";
    return `${paint.good("accepted")} by ${trust.by} (${trust.reason})${signers}`;
  }
  if (trust.verdict === "unknown") {
    return `${paint.warn("not judged")}: nobody said which keys the device holds (--key FILE, or --from its root)`;
  }
  return `${paint.bad("refused")} ${trust.error.code}: ${trust.error.message}; planned all the same, as if it were believed`;
}

function tellLayer({ module, resource, tries, found, unasked, untaken }: LayerPlan, paint: Paint): string {
  const name = module === resource ? module : `${module}/${resource}`;
  const head = name.padEnd(18);
  if (found) return `${paint.good("✓")} ${head} ${shown(found.name)} (${found.size} bytes)`;
  if (unasked) return `${paint.quiet("–")} ${head} ${paint.quiet(`${shown(tries.join(", "))}: ${unasked.message}`)}`;
  const absent = `${paint.quiet("–")} ${head} ${paint.quiet(`${tries.map(shown).join(", ")}: not there`)}`;
  if (untaken === undefined) return absent;
  const why = UNTAKEN[untaken.why];
  return untaken.why === "not-needed"
    ? `${paint.quiet("–")} ${head} ${shown(untaken.name)} ${paint.quiet(why)}`
    : `${paint.warn("!")} ${head} ${shown(untaken.name)} ${paint.warn(why)}`;
}

const UNTAKEN = {
  "no-manifest": "is there, and counts only if a manifest lists it: sign the tree",
  unlisted: "is there, and the manifest does not list it: sign again",
  "not-needed": "is not taken: the device runs it already, or is not what it is for",
} as const;

/** Names come from inventories and trees: none may steer a terminal. */
function shown(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "?");
}
