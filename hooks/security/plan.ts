import { type Change, file, type Origin, type PlanContext, service } from "../../src/api.ts";
import { readDefence } from "./defence.ts";
import { GUARD, renderGuard } from "./guard.ts";
import { PROTECTION, renderProtection } from "./kamailio.ts";
import { RULES, renderRules } from "./nft.ts";

/** The defence as changes: Kamailio's part, the kernel's, and what the follower is told. */
export function planSecurity(context: PlanContext): readonly Change[] {
  const defence = readDefence(context);
  if (defence === undefined) return [];
  const protection = defence.programs.includes("kamailio") ? renderProtection(defence) : undefined;
  return [
    ...(protection === undefined
      ? []
      : [
          file(PROTECTION, protection, { mode: 0o640, group: "kamailio", origin: FROM_UCI }),
          service("kamailio", { onChange: { paths: [PROTECTION], act: "restart" } }, ORIGIN),
        ]),
    ...kernelGuard(context, renderRules(defence), renderGuard(defence)),
  ];
}

const ORIGIN: Origin = { module: "security" };
const FROM_UCI: Origin = { module: "security", uri: "/etc/config/beesip" };
const NFT = "/usr/sbin/nft";

/** Without nft there are no sets, so the follower would have nothing to fill. */
function kernelGuard(context: PlanContext, rules: string, guard: string | undefined): readonly Change[] {
  if (context.files.stat(NFT) === undefined) {
    const message = `${NFT} is not on this device (package nftables): the kernel's part and the follower are left out`;
    context.finding("warning", "PLAN_INVALID", message, { file: "/etc/config/beesip", option: "beesip.security" });
    return [];
  }
  return [
    file(RULES, rules, { mode: 0o644, origin: FROM_UCI }),
    // Where reports go may be a secret.
    ...(guard === undefined ? [] : [file(GUARD, guard, { mode: 0o600, origin: FROM_UCI })]),
    service(
      "beesip-guard",
      { boot: "enabled", run: "started", onChange: { paths: [RULES, GUARD], act: "reload" } },
      ORIGIN,
    ),
  ];
}
