/** How Kamailio alone sends calls to gateways: which of them, by the number, and the next one when one is dead (role `proxy`). */
import { isIP } from "node:net";
import { type Cfg, cfg, digits, hostInUri, inRegex, int, NOTHING, quoted } from "../_kamailio-cfg.ts";
import { gatewayUri } from "./asterisk.ts";
import type { Exchange, Trunk } from "./exchange.ts";
import type { MediaParts } from "./kamailio-media.ts";
import type { Table } from "./kamailio-table.ts";
import { dialForms, lengthsOf, ownPrefix, prefixTrunks } from "./numbers.ts";

/** A set of gateways for each route. */
export const GATEWAYS = "/etc/kamailio/beesip-gateways.list";

/** Numbers of the world: what was dialled becomes `$var(number)`, the longest prefix that is known decides. */
export function world(exchange: Exchange, media: MediaParts): Cfg {
  const own = ownPrefix(exchange.pbx);
  const prefixes = prefixTrunks(exchange);
  const longest = Math.max(0, ...prefixes.map(({ route }) => route.prefix.length));
  return cfg`
route[WORLD] {
	# A whole number as it is dialled.
	$var(number) = $rU;
	if (!($var(number) =~ "^\\+") && $sht(prefix=>$var(number)) != $null) {
		$var(rule) = $sht(prefix=>$var(number));
		route(PLACE);
		route(TO_GATEWAY);
	}
	$var(number) = "";
${dialForms(exchange.pbx).map(
  ({ begins, digits: count, becomes }) => cfg`	if ($var(number) == "" && $rU =~ ${formRegex(begins, count)}) {
		$var(number) = ${quoted(becomes)} + $(rU{s.substr,${int(begins.length)},0});
	}`,
)}
	if ($var(number) == "") {
		return;
	}
${
  own === undefined
    ? NOTHING
    : cfg`	# Our own numbers that nobody has would come back to us.
	if ($var(number) =~ ${regex("^", own)}) {
		return;
	}`
}
	$var(length) = ${int(longest)};
	if ($var(length) > $(var(number){s.len})) {
		$var(length) = $(var(number){s.len});
	}
	$var(rule) = "";
	while ($var(length) > 1 && $var(rule) == "") {
		$var(key) = $(var(number){s.substr,0,$var(length)});
		if ($sht(prefix=>$var(key)) != $null) {
			$var(rule) = $sht(prefix=>$var(key));
		}
		$var(length) = $var(length) - 1;
	}
	if ($var(rule) == "") {
		return;
	}
	if ($(var(number){s.len}) < $(var(rule){s.select,1,:}{s.int}) || $(var(number){s.len}) > $(var(rule){s.select,2,:}{s.int})) {
		sl_send_reply("484", "Address Incomplete");
		exit;
	}
	route(PLACE);
	route(TO_GATEWAY);
}

# What the gateways of a rule want to see of the number, and which they are: SET:LEAST:MOST:STRIP:PREPEND.
route[PLACE] {
	$var(set) = $(var(rule){s.select,0,:}{s.int});
	$var(strip) = $(var(rule){s.select,3,:}{s.int});
	if ($var(strip) >= $(var(number){s.len})) {
		$var(number) = $(var(rule){s.select,4,:});
	} else {
		$var(number) = $(var(rule){s.select,4,:}) + $(var(number){s.substr,$var(strip),0});
	}
}

route[TO_GATEWAY] {
	$rU = $var(number);
${own === undefined ? NOTHING : cfg`	append_hf("P-Asserted-Identity: <sip:${digits(own)}$fU@${hostInUri(exchange.domain)}>\\r\\n");`}
	if (!ds_select_domain("$var(set)", "8")) {
		t_newtran();
		t_reply("503", "No Gateway");
		exit;
	}
	# A gateway whose name is not found, or that there is no way to, is passed over at once.
	t_set_disable_internal_reply(1);
	t_on_failure("GATEWAY");
	t_on_reply("ANSWER");${media.onBranch}
	while (!t_relay()) {
		if (!ds_next_domain()) {
			t_reply("503", "No Gateway");
			exit;
		}
		t_on_failure("GATEWAY");
		t_on_reply("ANSWER");${media.onBranch}
	}
	exit;
}`;
}

/** What each prefix and whole number says, as `PLACE` reads it. */
export function prefixTable(exchange: Exchange): Table {
  const sets = setsOf(exchange);
  return {
    name: "prefix",
    entries: exchange.trunks.map((trunk) => {
      const { prefix, strip, prepend } = trunk.route;
      const { least, most } = lengthsOf(trunk);
      return [prefix, `${sets.get(keyOf(trunk))?.number ?? 0}:${least}:${most}:${strip}:${prepend}`] as const;
    }),
  };
}

/** Routes to the same gateways in the same order share a set: each member is looked at for each set it is in. */
function setsOf({ trunks }: Exchange): ReadonlyMap<string, { readonly number: number; readonly trunk: Trunk }> {
  const sets = new Map<string, { number: number; trunk: Trunk }>();
  for (const trunk of trunks) {
    const key = keyOf(trunk);
    if (!sets.has(key)) sets.set(key, { number: sets.size + 1, trunk });
  }
  return sets;
}

function keyOf({ gateways }: Trunk): string {
  return gateways.map(({ id }) => id).join(" ");
}

function formRegex(begins: string, count: number | undefined): Cfg {
  const head = begins === "" ? "" : inRegex(begins.replace(/^\+$/, "+0")).cfg.replace(/^\\\+0$/, "\\+");
  return quoted(`^${head}[0-9]${count === undefined ? "+" : `{${count}}`}$`);
}

function regex(before: string, number: string): Cfg {
  return quoted(`${before}${inRegex(number).cfg}`);
}

/** Kamailio looks at all gateways as often as the most impatient one asks for. */
function pingSeconds({ gateways }: Exchange): number {
  const looks = gateways.map(({ qualify }) => qualify).filter((seconds) => seconds > 0);
  return looks.length === 0 ? 0 : Math.min(...looks);
}

export function sendingParams(exchange: Exchange): Cfg {
  return cfg`modparam("dispatcher", "list_file", ${quoted(GATEWAYS)})
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "ds_ping_method", "OPTIONS")
modparam("dispatcher", "ds_ping_interval", ${int(pingSeconds(exchange))})
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 2)
modparam("dispatcher", "ds_inactive_threshold", 1)
modparam("dispatcher", "ds_ping_reply_codes", "class=2;class=3;class=4")`;
}

/** The next gateway only if this one is not there or has no line; busy, no answer or a refusal by the called ends the call. */
export function failover(exchange: Exchange, media: MediaParts): Cfg {
  return cfg`
failure_route[GATEWAY] {${media.onFailure}
	if (t_is_canceled()) {
		exit;
	}
${
  pingSeconds(exchange) === 0
    ? NOTHING
    : cfg`	# The next call need not wait; as soon as it answers a look it is back.
	if (t_branch_timeout() && !t_branch_replied()) {
		ds_mark_dst("ip");
	}`
}
	if (t_check_status("50[0-9]") || (t_branch_timeout() && !t_branch_replied())) {
		while (ds_next_domain()) {
			t_on_failure("GATEWAY");
			t_on_reply("ANSWER");${media.onBranch}
			if (t_relay()) {
				exit;
			}
		}
	}
}`;
}

/** A name that is not found as Kamailio starts would else be left out until it starts again. */
const LOOK_UP_LATER = 16;

/** Each set's gateways; the higher number is taken first (kamailio: dispatcher, algorithm 8). */
export function gatewayFile(exchange: Exchange): string {
  const lines = [...setsOf(exchange).values()].flatMap(({ number, trunk: { gateways } }) =>
    gateways.map((gateway, rank) => {
      const flags = isIP(gateway.host) === 0 ? LOOK_UP_LATER : 0;
      return `${number} ${gatewayUri(gateway)} ${flags} ${gateways.length - rank}`;
    }),
  );
  return `# Made by uciprov from /etc/config/beesip; changes here are lost.\n${lines.join("\n")}\n`;
}
