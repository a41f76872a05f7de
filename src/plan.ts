/** All that one run would change, complete before anything is: what `plan` shows is what `run` does. */
import type { Finding, Origin } from "./api.ts";
import type { LeftPart } from "./left-part.ts";
import type { ServicePlan } from "./services.ts";
import type { SoftwarePlan } from "./software.ts";
import type { Download } from "./stages/fetch.ts";
import type { Action } from "./transaction/order.ts";
import type { UciDiff } from "./uci/diff.ts";

/** One UCI package that becomes another. */
export interface PackagePlan {
  readonly name: string;
  readonly diff: UciDiff;
  /** `section.option` → the layer that set it, for `plan` and `blame`. */
  readonly origins: Readonly<Record<string, string>>;
}

/** One file outside /etc/config that becomes another. */
export interface FilePlan {
  readonly path: string;
  readonly act: "new" | "changed" | "removed" | "restored" | "linked";
  readonly origin: Origin;
  readonly mode?: number;
  /** `user:group`, as far as the change names them. */
  readonly owner?: string;
  readonly size?: number;
  /** The lines before and after, where both are short texts. */
  readonly text?: { readonly before: string; readonly after: string };
}

/** What is not as uciprov left it. */
export interface DriftPlan {
  readonly path: string;
  /** It stays as a person made it; else the tree has its way. */
  readonly isKept: boolean;
}

/** The image that is to be written; nothing else happens in that run. */
export interface FirmwarePlan {
  /** In RAM. */
  readonly image: string;
  readonly size: number;
  readonly sha256: string;
  readonly target: string;
  /** What runs now, and what will. */
  readonly from: string;
  readonly revision: string;
  /** The how-manieth try of this image, from 1. */
  readonly attempt: number;
  readonly origin: Origin;
}

export interface Plan {
  readonly download: Download;
  readonly firmware: FirmwarePlan | undefined;
  /** Why the device has to be started anew before the plan can prove itself; empty: it has not. */
  readonly reboots: readonly string[];
  readonly packages: readonly PackagePlan[];
  readonly files: readonly FilePlan[];
  /** What is done to services once the files are in place. */
  readonly services: readonly ServicePlan[];
  /** Software packages installed before all else, and removed after the confirmation. */
  readonly software: SoftwarePlan;
  readonly drift: readonly DriftPlan[];
  readonly findings: readonly Finding[];
  /** What the transaction does, core state included; empty: the device is what the tree says. */
  readonly actions: readonly Action[];
  /** What the plan was made from, as it will be once it is true: the next run compares. */
  readonly inputsAfter: string;
  /** A macro that resource URIs use and this plan changes, or `RESOURCES`. */
  readonly unsettled: string | undefined;
  /** Parts of the tree that stay as they are on the device, since it was cut off with them. */
  readonly left: readonly LeftPart[];
}

/** What a plan changes if not a macro: which resources uciprov's own settings ask for. The dot keeps it from being one's name. */
export const RESOURCES = "uciprov.resource";

/** What another pass is made for, for people. */
export function toldUnsettled(unsettled: string): string {
  return unsettled === RESOURCES ? "what /etc/config/uciprov says of resources, macros and modules" : `{${unsettled}}`;
}

/** Whether there is anything to do at all. */
export function isEmptyPlan({ actions, firmware, software }: Plan): boolean {
  return (
    firmware === undefined && actions.length === 0 && software.install.length === 0 && software.remove.length === 0
  );
}
