/** Media through this device where Kamailio alone is the exchange: it has rtpengine put itself into what both sides say of their media (`media 'relay'`). */

import { type Cfg, cfg, NOTHING, quoted } from "../_kamailio-cfg.ts";
import type { Exchange } from "./exchange.ts";
import { CONTROL } from "./rtpengine.ts";

/** What stands where in the rest of Kamailio's configuration, each at the end of a line; all of it is nothing where media flows directly. */
export interface MediaParts {
  readonly modules: Cfg;
  readonly params: Cfg;
  readonly routes: Cfg;
  /** Before each `t_relay`. */
  readonly onBranch: Cfg;
  /** In the route of answers. */
  readonly onAnswer: Cfg;
  /** For what follows within a call. */
  readonly within: Cfg;
  /** Where a call has failed, or one gateway of several. */
  readonly onFailure: Cfg;
  /** Arms the route for calls to phones, which have no other gateway to try. */
  readonly onPhoneFailure: Cfg;
}

const DIRECT: MediaParts = {
  modules: NOTHING,
  params: NOTHING,
  routes: NOTHING,
  onBranch: NOTHING,
  onAnswer: NOTHING,
  within: NOTHING,
  onFailure: NOTHING,
  onPhoneFailure: NOTHING,
};

/**
 * Addresses that the parties say are replaced everywhere; what comes from elsewhere than the party's media has come from is dropped.
 */
const FLAGS = "replace-origin replace-session-connection ICE=remove RTP/AVP strict-source";

export function mediaParts(exchange: Exchange): MediaParts {
  if (exchange.relay === undefined) return DIRECT;
  return {
    modules: cfg`
loadmodule "rtpengine.so"
loadmodule "ipops.so"`,
    params: cfg`
modparam("rtpengine", "rtpengine_sock", ${quoted(`udp:${CONTROL}`)})
# Seconds until it is asked again after it has not answered, and milliseconds for an answer.
modparam("rtpengine", "rtpengine_disable_tout", 5)
modparam("rtpengine", "rtpengine_tout_ms", 500)
modparam("rtpengine", "rtpengine_retr", 2)`,
    routes: routesOf(exchange.relay),
    onBranch: cfg`
	t_on_branch("MEDIA");`,
    onAnswer: cfg`
	rtpengine_manage(${quoted(FLAGS)});`,
    within: cfg`
	if (is_method("BYE") || (is_method("ACK") && has_body("application/sdp"))) {
		rtpengine_manage(${quoted(FLAGS)});
	}`,
    onFailure: cfg`
	rtpengine_delete();`,
    onPhoneFailure: cfg`
	if (is_method("INVITE") && !has_totag()) {
		t_on_failure("MEDIA_GONE");
	}`,
  };
}

/** The first interface is inside: who is in its networks is there, everybody else is outside. */
function routesOf({ inside, outside, networks }: NonNullable<Exchange["relay"]>): Cfg {
  const directions =
    outside === undefined ? quoted(FLAGS) : { cfg: `"${FLAGS} direction=$var(near) direction=$var(far) $var(family)"` };
  const sides =
    outside === undefined
      ? NOTHING
      : cfg`	$var(party) = $si;
	route(MEDIA_SIDE);
	$var(near) = $var(side);
	$var(party) = $nh(d);
	if ($var(party) =~ "^\\\\[") {
		$var(party) = $(var(party){s.unbracket});
	}
	route(MEDIA_SIDE);
	$var(far) = $var(side);
	$var(family) = "address-family=IP4";
	if (is_ipv6($var(party))) {
		$var(family) = "address-family=IP6";
	}`;
  const sideRoute =
    outside === undefined
      ? NOTHING
      : cfg`
route[MEDIA_SIDE] {
	$var(side) = ${quoted(outside)};
${networks.map(
  (network) => cfg`	if (is_in_subnet("$var(party)", ${quoted(network)})) {
		$var(side) = ${quoted(inside)};
	}`,
)}
}
`;
  return cfg`
branch_route[MEDIA] {
	if (!is_method("INVITE|UPDATE") || !has_body("application/sdp")) {
		return;
	}
${sides}
	# Without the relay the parties would not hear each other.
	if (!rtpengine_manage(${directions})) {
		xlog("L_ERR", "rtpengine does not answer: $rm to $rU is given up\\n");
		drop;
	}
}
${sideRoute}
failure_route[MEDIA_GONE] {
	rtpengine_delete();
}
`;
}
