/**
 * Kamailio's files. It asks phones for their passwords and knows where they are; behind it stands Asterisk (`both`), or it sends calls to
 * gateways itself (`proxy`). Another module may add protection in `PROTECTION`, which docs/pbx.md describes.
 */

import { address, type Cfg, cfg, int, NOTHING, quoted } from "../_kamailio-cfg.ts";
import { INNER_PORT } from "./asterisk.ts";
import type { Exchange } from "./exchange.ts";
import { EXTENSIONS, extensionFile, extensionParams } from "./kamailio-extensions.ts";
import { failover, GATEWAYS, gatewayFile, sendingParams, world } from "./kamailio-gateways.ts";
import { gatewayConditions, sendsItself, tablesOf } from "./kamailio-known.ts";
import { type MediaParts, mediaParts } from "./kamailio-media.ts";
import { tableLoads, tableParams, tableRoutes } from "./kamailio-table.ts";

export const KAMAILIO_CFG = "/etc/kamailio/kamailio.cfg";
/** Read if it is there; it defines WITH_PROTECTION and the routes PROTECT, LOGGED_IN and LOGIN_FAILED. */
export const PROTECTION = "/etc/kamailio/beesip-protection.cfg";

export interface KamailioFile {
  readonly path: string;
  readonly text: string;
}

export function renderKamailio(exchange: Exchange): readonly KamailioFile[] {
  return [
    {
      path: KAMAILIO_CFG,
      text: `#!KAMAILIO\n# Made by uciprov from /etc/config/beesip; changes here are lost.\n${whole(exchange).cfg}`,
    },
    ...(exchange.hasTableFile ? [{ path: EXTENSIONS, text: extensionFile(exchange) }] : []),
    ...(sendsItself(exchange) ? [{ path: GATEWAYS, text: gatewayFile(exchange) }] : []),
  ];
}

/**
 * Megabytes for the init script: private memory of each process, where the text above ends up, and shared memory, where tables and phones are. OpenWrt's own
 * 2 and 8 hold a small exchange; measured: 2000 extensions and 3000 prefixes want 3 and 8 before the first call. Another amount means a restart: steps are wide.
 */
export function memoryFor({ extensions, trunks }: Exchange): {
  readonly pkg_memory: string;
  readonly shm_memory: string;
} {
  const thousands = 1 + Math.floor((extensions.length * 5 + trunks.length) / 1000);
  return { pkg_memory: String(4 + Math.ceil(thousands / 8)), shm_memory: String(8 + 2 * thousands) };
}

function whole(exchange: Exchange): Cfg {
  const { pbx, domain } = exchange;
  const isBoth = pbx.role === "both";
  const isSending = sendsItself(exchange);
  const tables = tablesOf(exchange);
  const media = mediaParts(exchange);
  return cfg`
debug=2
log_stderror=no
log_facility=LOG_DAEMON
log_name="kamailio"
children=2
tcp_children=2
auto_aliases=no
mhomed=yes
server_signature=no
user_agent_header="User-Agent: beesip"
alias=${quoted(domain)}

${[...(exchange.hasTableFile ? ["db_text"] : []), ...MODULES].map((name) => cfg`loadmodule ${quoted(`${name}.so`)}`)}
${isSending ? cfg`loadmodule "dispatcher.so"` : NOTHING}${media.modules}

modparam("ctl", "binrpc", "unix:/var/run/kamailio/kamailio_ctl")
modparam("tm", "failure_reply_mode", 3)
modparam("tm", "reparse_on_dns_failover", 0)
# Milliseconds: a gateway that says nothing at all is dead after the first, one that rings has time until the second.
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", ${int((pbx.ring_seconds + 60) * 1000)})
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 0)
modparam("registrar", "method_filtering", 1)
modparam("registrar", "max_contacts", 10)
# Where phones are lies in memory: after a restart they are found again within this time.
modparam("registrar", "max_expires", 300)
modparam("registrar", "default_expires", 300)
modparam("registrar", "xavp_cfg", "reg")
modparam("usrloc", "db_mode", 0)
modparam("nathelper|registrar", "received_avp", "$avp(received)")
# The password's digest for the realm (RFC 2617 HA1) by number, and how many phones may be it at once; and other ways to dial it.
${exchange.hasTableFile ? extensionParams() : NOTHING}${tableParams(tables)}
${isSending ? sendingParams(exchange) : NOTHING}${media.params}

import_file ${quoted(PROTECTION)}

event_route[htable:mod-init] {
${tableLoads(tables)}
}

${tableRoutes(tables)}
request_route {
#!ifdef WITH_PROTECTION
	route(PROTECT);
#!endif
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (!sanity_check("17895", "7")) {
		exit;
	}
	if (is_method("OPTIONS") && uri==myself && !has_totag() && $rU == $null) {
		sl_send_reply("200", "OK");
		exit;
	}
	route(NAT);
	if (is_method("CANCEL")) {
		if (t_check_trans()) {
			route(RELAY);
		}
		exit;
	}
	if (has_totag()) {
		route(WITHIN_DIALOG);
		exit;
	}
	if (is_method("ACK")) {
		t_check_trans();
		exit;
	}
	t_check_trans();
	# A route that the caller made up would lead past all of this.
	remove_hf("Route");
	remove_hf("P-Asserted-Identity");
	if (is_method("REGISTER")) {
		route(REGISTER);
		exit;
	}
	if (!is_method("INVITE|MESSAGE|OPTIONS|SUBSCRIBE|NOTIFY|PUBLISH|INFO")) {
		sl_send_reply("405", "Method Not Allowed");
		exit;
	}
	if (is_method("INVITE|SUBSCRIBE")) {
		record_route();
	}
	if ($rU == $null || !($rU =~ "^\\+?[0-9]+$")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
${isBoth ? fromAsterisk(exchange) : NOTHING}
	route(FROM_GATEWAY);
	if ($var(is_gateway) == 1) {
		exit;
	}
	# Ours are asked for their password; other domains are none of our business.
	if (from_uri!=myself && uri!=myself) {
		sl_send_reply("403", "Not Relaying");
		exit;
	}
	route(LOGIN);
	route(FROM_PHONE);
}

route[NAT] {
	force_rport();
	if (nat_uac_test("19")) {
		if (is_method("REGISTER")) {
			fix_nated_register();
		} else if (is_first_hop()) {
			set_contact_alias();
		}
	}
}

route[REGISTER] {
	# The password is of the number that is registered, which is the user that logs in.
	$var(user) = $tU;
	route(CHECK_PASSWORD);
	if ($au != $tU) {
		sl_send_reply("403", "Not Your Number");
		exit;
	}
#!ifdef WITH_PROTECTION
	route(LOGGED_IN);
#!endif
	$var(contacts) = $(vn(secret){s.select,1,/}{s.int});
	$xavp(reg=>max_contacts) = $var(contacts);
	# One phone alone: whoever logs in as it last is it.
	if ($var(contacts) == 1) {
		if (!save("location", "0x04")) {
			sl_reply_error();
		}
		exit;
	}
	if (!save("location")) {
		sl_reply_error();
	}
}

route[LOGIN] {
	$var(user) = $fU;
	route(CHECK_PASSWORD);
	if ($au != $fU) {
		sl_send_reply("403", "Not Your Number");
		exit;
	}
	consume_credentials();
#!ifdef WITH_PROTECTION
	route(LOGGED_IN);
#!endif
}

# Goes on only with the right password for the realm; $au is who it belongs to.
route[CHECK_PASSWORD] {
	# Who is no number is asked like the others, so that nobody learns which numbers there are, and never believed: what stands for the digest here is
	# no secret. It has a digest's length, since Kamailio reads 32 bytes whatever it is given.
	$var(ha1) = "--------------------------------";
	$var(is_number) = 0;
	# Looked up once: the table may be another one a moment later.
	$vn(secret) = $sht(extension=>secret/$au);
	if ($au != $null && $vn(secret) =~ "^[0-9a-f]{32}/") {
		$var(ha1) = $(vn(secret){s.select,0,/});
		$var(is_number) = 1;
	}
	$var(known) = -1;
	if (is_method("REGISTER")) {
		if (pv_www_authenticate(${quoted(domain)}, "$var(ha1)", "1")) {
			$var(known) = 1;
		} else {
			$var(known) = $rc;
		}
	} else if (pv_proxy_authenticate(${quoted(domain)}, "$var(ha1)", "1")) {
		$var(known) = 1;
	} else {
		$var(known) = $rc;
	}
	if ($var(known) == 1 && $var(is_number) == 1) {
		return;
	}
#!ifdef WITH_PROTECTION
	# Wrong, and not just answered to a question that is too old (-4): all phones do that after a restart of ours.
	if ($var(known) == -2 || $var(known) == 1) {
		route(LOGIN_FAILED);
	}
#!endif
	if (is_method("REGISTER")) {
		www_challenge(${quoted(domain)}, "1");
	} else {
		proxy_challenge(${quoted(domain)}, "1");
	}
	exit;
}

route[FROM_GATEWAY] {
	$var(is_gateway) = 0;
	if ($sht(source=>$si) != $null) {
		$var(is_gateway) = 1;
	}
${gatewayConditions(exchange)}
	if ($var(is_gateway) == 0) {
		return;
	}
	# Gateways reach extensions and nothing else: nobody calls through us.
	route(EXTENSION);
	if ($var(extension) == 0) {
		sl_send_reply("404", "Not Found");
		exit;
	}
${isBoth ? cfg`	route(TO_ASTERISK);` : cfg`	route(TO_PHONE);`}
}

# Makes every way to dial an extension the short one; $var(extension) says whether it is one.
route[EXTENSION] {
	$var(extension) = 0;
	$var(dialled) = $rU;
	$vn(short) = $sht(extension=>alias/$var(dialled));
	if ($vn(short) != $null) {
		$rU = $vn(short);
		$var(dialled) = $rU;
	}
	if ($sht(extension=>secret/$var(dialled)) != $null) {
		$var(extension) = 1;
	}
}

${isBoth ? toAsterisk(exchange) : fromPhone(exchange, media)}

route[TO_PHONE] {
	if (!lookup("location")) {
		t_newtran();
		t_reply("480", "Not Logged In");
		exit;
	}
	handle_ruri_alias();
	route(RELAY);
	exit;
}

route[WITHIN_DIALOG] {
	if (loose_route()) {${media.within}
		if (!isdsturiset()) {
			handle_ruri_alias();
		}
		route(RELAY);
		exit;
	}
	if (is_method("ACK")) {
		if (t_check_trans()) {
			route(RELAY);
		}
		exit;
	}
	sl_send_reply("404", "Not Here");
	exit;
}

route[RELAY] {
	if (is_method("INVITE|SUBSCRIBE|UPDATE")) {
		t_on_reply("ANSWER");
	}${media.onBranch}${media.onPhoneFailure}
	if (!t_relay()) {
		sl_reply_error();
	}
}

onreply_route[ANSWER] {
	if (nat_uac_test("1") && is_first_hop()) {
		set_contact_alias();
	}${media.onAnswer}
}
${isSending ? failover(exchange, media) : NOTHING}${media.routes}
`;
}

const MODULES = [
  ...[
    "kex",
    "corex",
    "tm",
    "tmx",
    "sl",
    "rr",
    "pv",
    "maxfwd",
    "textops",
    "siputils",
    "xlog",
    "sanity",
    "ctl",
    "htable",
  ],
  ...["auth", "usrloc", "registrar", "nathelper"],
] as const;

/** Nobody else can send from our own address: the kernel drops what comes in with it. */
function fromAsterisk(exchange: Exchange): Cfg {
  return cfg`	if (src_ip==${address(exchange.address)} && src_port==${int(INNER_PORT)}) {
		route(TO_PHONE);
		exit;
	}`;
}

function toAsterisk(exchange: Exchange): Cfg {
  const inner = `sip:${address(exchange.address).cfg}:${INNER_PORT}`;
  return cfg`route[FROM_PHONE] {
	route(TO_ASTERISK);
}

route[TO_ASTERISK] {
	$du = ${quoted(inner)};
	route(RELAY);
	exit;
}`;
}

function fromPhone(exchange: Exchange, media: MediaParts): Cfg {
  return cfg`route[FROM_PHONE] {
	route(EXTENSION);
	if ($var(extension) == 1) {
		route(TO_PHONE);
	}
${sendsItself(exchange) ? cfg`	route(WORLD);` : NOTHING}
	sl_send_reply("404", "Not Found");
	exit;
}
${sendsItself(exchange) ? world(exchange, media) : NOTHING}`;
}
