import type { Files } from "../api.ts";
import type { RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";
import type { ServiceRecord } from "../service-record.ts";
import { decideService, type ServicePlan, type WantedService } from "../services.ts";
import type { Settings } from "../settings.ts";
import { actOnServices } from "./service-acts.ts";
import { isRunning } from "./service-state.ts";
import { linksOf, triggersIn } from "./validate/service-links.ts";

/**
 * What is done to services when a person goes back to another generation: what its tree wanted of them (`then`), where it is another than until `now`, and a
 * reload where files change. `files` are those that will be there.
 */
export async function servicesOfGeneration(
  ctx: RunContext,
  files: Files,
  now: ServiceRecord,
  then: ServiceRecord,
  changed: ReadonlySet<string>,
): Promise<readonly ServicePlan[]> {
  const plans: ServicePlan[] = [];
  const links = files.list("/etc/rc.d").map((link) => `/etc/rc.d/${link}`);
  for (const name of new Set([...Object.keys(now), ...Object.keys(then)])) {
    const script = files.read(`/etc/init.d/${name}`);
    if (script === undefined) continue;
    const facts = {
      isRunning: await isRunning(ctx, name, script),
      startsAtBoot: linksOf(name, links).some((link) => link.startsWith("S")),
      triggers: triggersIn(script),
    };
    const { act } = decideService(name, wantedThen(name, then), now[name], changed, facts);
    if (act !== undefined) plans.push(act);
  }
  return plans;
}

/** Failures are told and no more: a person looks. */
export async function actForGeneration(
  ctx: RunContext,
  settings: Settings,
  plans: readonly ServicePlan[],
): Promise<void> {
  try {
    await actOnServices(ctx, settings, plans);
  } catch (thrown) {
    ctx.log("error", asProvisionError(thrown).message);
  }
}

function wantedThen(name: string, then: ServiceRecord): WantedService | undefined {
  const said = then[name];
  if (said === undefined) return undefined;
  return {
    name,
    ...(said.run === undefined ? {} : { run: said.run.set }),
    ...(said.onChange === undefined ? {} : { onChange: said.onChange }),
    origin: { module: "rollback" },
  };
}
