import { createHash, randomUUID } from "node:crypto";
import { expandText, type HookContext, type HookPoint, type Letter, redactUri, template } from "../src/api.ts";

/** The schema's number; it grows when a reader of an older one would be misled. docs/report.md has the fields. */
const VERSION = 1;

/** What reaching a point means in the words of SZTP (RFC 8572 §7.3, progress-type). */
const PROGRESS: Readonly<Partial<Record<HookPoint, string>>> = {
  preinit: "bootstrap-initiated",
  fetch: "parsing-initiated",
  validate: "parsing-complete",
  preapply: "config-initiated",
  postapply: "config-complete",
};

/** Puts the letter of this point into the outbox; delivers where a run begins and ends. */
export async function report(context: HookContext): Promise<void> {
  const uri = whereTo(context);
  if (uri === undefined) return;
  const outbox = await context.outbox();
  for (const letter of lettersAt(context)) outbox.put(letter);
  const isDue = ["preinit", "done", "failed"].includes(context.stage) || context.settings.report.progress;
  if (isDue && !outbox.isEmpty) outbox.deliver(uri);
}

/** A report tells of the device: it goes out over TLS, or in a laboratory. */
function whereTo({ settings, macros, log }: HookContext): string | undefined {
  try {
    const { text } = expandText(template(settings.report.uri ?? ""), macros);
    if (text.startsWith("https://") || (text.startsWith("http://") && settings.main.trust === "any")) return text;
    log("warning", `no report goes to ${redactUri(text)}: https only`);
  } catch (thrown) {
    log("warning", `no report: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return undefined;
}

function lettersAt(context: HookContext): readonly Letter[] {
  const { stage, run, settings } = context;
  if (stage === "preinit" && run.takenBack !== undefined) {
    // Whoever was to tell it may have died in it; the id is the same then as now.
    return [takenBack(context, run.takenBack), ...progressAt(context)];
  }
  if (stage === "done") return [end(ended(context))];
  if (stage === "failed") return run.error === undefined ? [] : [end(failed(context, run.error))];
  if (stage === "reboot" && run.firmware !== undefined) {
    return [letter(context, "boot-image-initiated", { firmware: run.firmware }, true)];
  }
  return settings.report.progress ? progressAt(context) : [];
}

function progressAt(context: HookContext): readonly Letter[] {
  const progress = PROGRESS[context.stage];
  if (progress === undefined || !context.settings.report.progress) return [];
  return [letter(context, progress, { stage: context.stage }, false)];
}

function ended(context: HookContext): Letter {
  const { outcome, changes, left = [] } = context.run;
  const isPart = left.length > 0;
  const body = { run: outcome, changes, ...(isPart ? { left } : {}) };
  return letter(context, isPart ? "bootstrap-warning" : "bootstrap-complete", body, outcome?.exit === "rolled-back");
}

type Failure = NonNullable<HookContext["run"]["error"]>;

function failed(context: HookContext, error: Failure): Letter {
  const { takenBack: back, tree } = context.run;
  if (error.exit === "rolled-back" && back !== undefined && back.digest === tree?.digest) {
    return takenBack(context, back, error);
  }
  const progress = error.exit === "invalid-content" ? "parsing-error" : "bootstrap-error";
  return letter(context, progress, { error: factsOf(error) }, error.exit === "rolled-back");
}

function takenBack(
  context: HookContext,
  { digest, attempts, reason }: NonNullable<HookContext["run"]["takenBack"]>,
  error?: Failure,
): Letter {
  const code = /^[A-Z_]+(?=:|$)/.exec(reason)?.[0];
  const body = {
    takenBack: { digest, attempts, ...(code === undefined ? {} : { code }) },
    ...(error === undefined ? {} : { error: factsOf(error) }),
  };
  const made = letter(context, "config-error", body, true);
  const id = `taken-back-${digest.slice(0, 24)}-${attempts}`;
  return { ...made, id, body: { ...made.body, id } };
}

/** Codes and places, no words: words may quote what a tree holds, and that may be secret. */
function factsOf({ code, exit, place, findings }: Failure): Record<string, unknown> {
  return {
    code,
    exit,
    ...(place === undefined ? {} : { place: shown(place) }),
    findings: findings.slice(0, 20).map((one) => ({
      code: one.code,
      severity: one.severity,
      ...(one.place === undefined ? {} : { place: shown(one.place) }),
    })),
  };
}

function shown(place: NonNullable<Failure["place"]>): Record<string, unknown> {
  return { ...place, ...(place.file === undefined ? {} : { file: redactUri(place.file) }) };
}

function letter(
  { facts, run, clock }: HookContext,
  progress: string,
  more: Readonly<Record<string, unknown>>,
  isDurable: boolean,
): Letter {
  const { mac, serial, hostname, board, release, revision } = facts;
  const device = { mac, serial, hostname, board, release, revision };
  const id = randomUUID();
  const at = new Date(clock.now()).toISOString();
  return { id, body: { version: VERSION, id, at, progress, device, tree: run.tree, ...more }, isDurable };
}

/** How a run ended is told when it is another end than the last one: a device that fails the same way each half hour says so once. */
function end(made: Letter): Letter {
  const { id: _, at: __, ...said } = made.body;
  return { ...made, about: createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 32) };
}
