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
  // Counts, each over a fixed time that begins with the first.
  const counter = (name: string, life: number) =>
    cfg`modparam("htable", "htable", ${quoted(`${name}=>size=10;autoexpire=${life};initval=0;updateexpire=0;`)})`;
  return cfg`
#!define WITH_PROTECTION

loadmodule "pike.so"

modparam("pike", "sampling_time_unit", ${int(section.pike_unit)})
modparam("pike", "reqs_density_per_unit", ${int(section.pike_density)})
# It says what it sees at the debug level: the lines below say it once.
modparam("pike", "pike_log_level", 3)
${counter("banned", seconds)}
${counter("logins", 60)}
${counter("failures", 60)}
${section.register_rate > 0 ? counter("second", 2) : NOTHING}

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
    ? cfg`	if ($sht(banned=>$si) > 0) {
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

# Nothing in the line is what somebody sent. Counting is one act, so that two workers do not both tell.
route[BAN] {
	$var(count) = $shtinc(banned=>$si);
	if ($var(count) == 1) {
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
