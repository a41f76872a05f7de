/**
 * What Kamailio does against floods and guesses, in the file that `pbx` leaves a place for (docs/pbx.md): who sends too much, tries passwords or logs in
 * again and again is banned; the others share what is left. Bans are logged in lines that the follower reads: `ban src=ADDRESS reason=WORD`.
 */
import { isIPv4 } from "node:net";
import { address, type Cfg, cfg, int, NOTHING, quoted } from "../_kamailio-cfg.ts";
import type { Defence } from "./defence.ts";

export const PROTECTION = "/etc/kamailio/beesip-protection.cfg";

/** How long one source is logged only once where nobody is banned. */
const QUIET_SECONDS = 120;

export function renderProtection(defence: Defence): string {
  return `# Made by uciprov from /etc/config/beesip; changes here are lost.${protection(defence).cfg}`;
}

function protection({ section, gateways }: Defence): Cfg {
  const isBanning = section.ban_time > 0;
  const seconds = isBanning ? section.ban_time : QUIET_SECONDS;
  const table = (name: string, life: number, more = "") =>
    cfg`modparam("htable", "htable", ${quoted(`${name}=>size=10;autoexpire=${life};${more}`)})`;
  // `initval` and `updateexpire`: counts within a fixed minute, which begins with the first.
  const counter = (name: string) => table(name, 60, "initval=0;updateexpire=0;");
  return cfg`
#!define WITH_PROTECTION

loadmodule "pike.so"

modparam("pike", "sampling_time_unit", ${int(section.pike_unit)})
modparam("pike", "reqs_density_per_unit", ${int(section.pike_density)})
# It says what it sees at the debug level: the lines below say it once.
modparam("pike", "pike_log_level", 3)
${table("banned", seconds)}
${counter("logins")}
${counter("failures")}
${section.register_rate > 0 ? table("second", 2, "initval=0;updateexpire=0;") : NOTHING}

route[PROTECT] {
	$var(is_friend) = 0;
	# Asterisk behind us, and gateways: an attacker could send in their name.
	if (src_ip==myself || $sht(source=>$si) != $null) {
		$var(is_friend) = 1;
		return;
	}
${friends([...section.allow, ...gateways.filter((one) => !isInTable(one))])}
${
  isBanning
    ? cfg`	if ($sht(banned=>$si) != $null) {
		exit;
	}`
    : NOTHING
}
	if (!pike_check_req()) {
		$var(reason) = "flood";
		route(BAN);
	}
${
  section.register_rate > 0
    ? cfg`	# Only now: it is spent by whoever comes first. No answer: phones ask again by themselves.
	if (is_method("REGISTER")) {
		$var(count) = $shtinc(second=>$Ts);
		if ($var(count) > ${int(section.register_rate)}) {
			exit;
		}
	}`
    : NOTHING
}
}

# The right password, again and again.
route[LOGGED_IN] {
	if ($var(is_friend) == 1 || !is_method("REGISTER")) {
		return;
	}
	$var(count) = $shtinc(logins=>$si::$au);
	if ($var(count) > ${int(section.register_limit)}) {
		$var(reason) = "soft-fault";
		route(BAN);
	}
}

route[LOGIN_FAILED] {
	if ($var(is_friend) == 1) {
		return;
	}
	$var(count) = $shtinc(failures=>$si);
	if ($var(count) > ${int(section.failed_limit)}) {
		$var(reason) = "password";
		route(BAN);
	}
}

# Nothing in the line is what somebody sent.
route[BAN] {
	if ($sht(banned=>$si) == $null) {
		$sht(banned=>$si) = $var(reason);
		xlog("L_ALERT", "ban src=$si reason=$var(reason)\\n");
	}
${isBanning ? cfg`	exit;` : NOTHING}
}
`;
}

/** Gateways with plain addresses stand in Kamailio's table `source` already. */
function isInTable(source: string): boolean {
  return isIPv4(source.replace(/\/32$/, ""));
}

function friends(sources: readonly string[]): readonly Cfg[] {
  return [...new Set(sources)].map(
    (one) => cfg`	if (src_ip==${address(one)}) {
		$var(is_friend) = 1;
		return;
	}`,
  );
}
