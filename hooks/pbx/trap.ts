/**
 * Kamailio as a honeypot (role `trap`): it asks everybody for a password, believes none, and says who came in lines that `uciprov guard` and people read:
 * `ban src=ADDRESS reason=WORD`. There is nothing behind it.
 */
import { isIPv6 } from "node:net";
import { optionText, type PlanContext } from "../../src/api.ts";
import { type Cfg, cfg, int, quoted } from "../_kamailio-cfg.ts";
import { readOptions } from "../_options.ts";
import { PROTECTION } from "./kamailio.ts";
import { PBX, type PbxSection } from "./schema.ts";

export interface Trap {
  readonly pbx: PbxSection;
  /** What it says it is. */
  readonly realm: string;
}

/** What an exchange has and a honeypot must not: passwords above all. */
const OF_EXCHANGES = ["extension", "phone", "gateway", "route"] as const;

export function isTrap(context: PlanContext): boolean {
  return optionText(sectionOf(context), "role") === "trap";
}

/** Undefined if a fault stands in the way, which is told. */
export function readTrap(context: PlanContext): Trap | undefined {
  const section = sectionOf(context);
  const pbx = section === undefined ? undefined : readOptions(context, section, "beesip.pbx", PBX);
  if (pbx === undefined) return undefined;
  const tell = (severity: "error" | "warning", option: string, wrong: string) =>
    context.finding(severity, "PLAN_INVALID", `${option} ${wrong}`, { file: "/etc/config/beesip", option });
  const left = OF_EXCHANGES.filter((type) => context.uci("beesip")?.sections.some((one) => one.type === type));
  if (left.length > 0) tell("warning", "beesip.pbx.role", `is a honeypot, which leaves out ${left.join(", ")}`);
  const realm = pbx.domain ?? pbx.address;
  if (realm === undefined || (pbx.domain === undefined && isIPv6(realm))) {
    tell("error", "beesip.pbx.domain", "is missing: it is what the honeypot says it is");
    return undefined;
  }
  return { pbx, realm };
}

function sectionOf(context: PlanContext) {
  return context.uci("beesip")?.sections.find(({ type, name }) => type === "pbx" && name === "pbx");
}

/** Most lines a minute: senders can be made up, and each line is written somewhere. */
const LINES_A_MINUTE = 300;

export function renderTrap({ realm }: Trap): string {
  return `#!KAMAILIO\n# Made by uciprov from /etc/config/beesip; changes here are lost.\n${trap(quoted(realm)).cfg}`;
}

function trap(realm: Cfg): Cfg {
  return cfg`
debug=2
log_stderror=no
log_facility=LOG_DAEMON
log_name="kamailio"
children=2
tcp_children=2
auto_aliases=no
server_signature=no
alias=${realm}

${MODULES.map((name) => cfg`loadmodule ${quoted(`${name}.so`)}`)}

modparam("ctl", "binrpc", "unix:/var/run/kamailio/kamailio_ctl")
# The protection asks who is a gateway: nobody.
modparam("htable", "htable", "source=>size=4;")
# Who was told of within the last minute, and how many lines that were.
modparam("htable", "htable", "told=>size=10;autoexpire=60;updateexpire=0;")
modparam("htable", "htable", "lines=>size=2;autoexpire=60;updateexpire=0;initval=0;")

import_file ${quoted(PROTECTION)}

request_route {
#!ifdef WITH_PROTECTION
	route(PROTECT);
#!endif
	if (is_method("ACK|CANCEL")) {
		exit;
	}
	if (!sanity_check("17895", "7")) {
		exit;
	}
	$var(reason) = "trap-probe";
	if (is_method("REGISTER")) {
		$var(reason) = "trap-register";
	}
	if (is_method("INVITE")) {
		$var(reason) = "trap-call";
	}
	if ($au != $null) {
		$var(reason) = "trap-password";
	}
	route(TELL);
#!ifdef WITH_PROTECTION
	if ($au != $null) {
		route(LOGIN_FAILED);
	}
#!endif
	# Whatever the answer is, it is never looked at.
	if (is_method("REGISTER")) {
		www_challenge(${realm}, "1");
	} else {
		proxy_challenge(${realm}, "1");
	}
	exit;
}

# Once a minute for each source and what it tries. Nothing in the line is what somebody sent.
route[TELL] {
	if ($sht(told=>$si::$var(reason)) != $null) {
		return;
	}
	$var(count) = $shtinc(lines=>all);
	if ($var(count) > ${int(LINES_A_MINUTE)}) {
		return;
	}
	$sht(told=>$si::$var(reason)) = 1;
	xlog("L_ALERT", "ban src=$si reason=$var(reason)\\n");
}
`;
}

const MODULES = ["kex", "corex", "sl", "pv", "textops", "siputils", "xlog", "sanity", "ctl", "htable", "auth"];
