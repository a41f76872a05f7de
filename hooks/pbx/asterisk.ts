/** Asterisk's files: endpoints, dial plan, modules, media, log. */
import { isIPv6 } from "node:net";
import { type ConfSection, callerId, LOGGER, printRtp, printSections } from "../_asterisk-conf.ts";
import type { Gateway } from "../_gateway-schema.ts";
import { CONTEXTS, renderDialPlan } from "./dial-plan.ts";
import { CA_BUNDLE, type Exchange } from "./exchange.ts";
import type { Extension } from "./schema.ts";

const FOLDER = "/etc/asterisk";

/** A file and whether the running Asterisk takes a new one without a restart. */
export interface AsteriskFile {
  readonly path: string;
  readonly text: string;
  readonly isReloadable: boolean;
}

/** Where Asterisk listens behind Kamailio. */
export const INNER_PORT = 5080;

export function renderAsterisk(exchange: Exchange): readonly AsteriskFile[] {
  const files: readonly (readonly [name: string, text: string, isReloadable: boolean])[] = [
    ["pjsip.conf", renderPjsip(exchange), true],
    // In a file of its own: these alone are not read again by a reload.
    ["beesip-transports.conf", printSections([TIMERS, ...transports(exchange)]), false],
    ["extensions.conf", renderDialPlan(exchange), true],
    ["modules.conf", renderModules(exchange), false],
    ["rtp.conf", printRtp(exchange.pbx.rtp_start, exchange.pbx.rtp_end), true],
    ["logger.conf", LOGGER, true],
  ];
  return files.map(([name, text, isReloadable]) => ({
    path: `${FOLDER}/${name}`,
    text: `${HEAD}\n${text}`,
    isReloadable,
  }));
}

const HEAD = "; Made by uciprov from /etc/config/beesip; changes here are lost.";

function renderPjsip(exchange: Exchange): string {
  const phones =
    exchange.pbx.role === "both"
      ? proxyPeer(exchange)
      : exchange.extensions.flatMap((one) => extensionPeer(exchange, one));
  const sections = [
    {
      name: "global",
      pairs: [
        ["type", "global"],
        // A phone that shares a gateway's address is still itself.
        ["endpoint_identifier_order", "username,ip"],
        ["user_agent", "beesip"],
      ] as const,
    },
    ...phones,
    ...exchange.gateways.flatMap((gateway) => gatewayPeer(exchange, gateway)),
  ];
  return `#include "beesip-transports.conf"\n\n${printSections(sections)}\n#tryinclude "beesip-pjsip.conf"\n`;
}

/**
 * 64 times T1 is how long a gateway may say nothing at all until the next one is tried (RFC 3261 §17.1.1.2): 8 seconds, where 32 are usual.
 */
const TIMERS: ConfSection = {
  name: "system",
  pairs: [
    ["type", "system"],
    ["timer_t1", "125"],
    ["timer_b", "8000"],
  ],
};

/** A transport for each protocol that is spoken, in each family that is: PJSIP has no socket for both. */
function transports({ pbx, gateways, address, hasBundle }: Exchange): readonly ConfSection[] {
  const port = pbx.role === "both" ? INNER_PORT : 5060;
  const own = ["udp", ...(pbx.role === "b2bua" ? ["tcp"] : [])];
  const names = new Set([
    ...own.map((protocol) => `transport-${protocol}`),
    ...(isIPv6(address) ? own.map((protocol) => `transport-${protocol}6`) : []),
    ...gateways.map(transportOf),
  ]);
  const nat = [
    ...(pbx.external_address === undefined
      ? []
      : ([
          ["external_signaling_address", pbx.external_address],
          ["external_media_address", pbx.external_address],
        ] as const)),
    ...pbx.local_net.map((net) => ["local_net", net] as const),
  ];
  return [...names].map((name) => {
    const [, protocol = "udp", six = ""] = /^transport-([a-z]+)(6?)$/.exec(name) ?? [];
    return {
      name,
      pairs: [
        ["type", "transport"],
        ["protocol", protocol],
        ["bind", `${six === "" ? "0.0.0.0" : "[::]"}:${protocol === "tls" ? port + 1 : port}`],
        ...(protocol === "tls" ? tls(hasBundle) : []),
        ...(six === "" ? nat : []),
      ],
    };
  });
}

/** Asterisk drops a transport whose file of authorities is not there, and says so in its log alone. The folder holds those of the tree. */
function tls(hasBundle: boolean): readonly (readonly [string, string])[] {
  return [
    ["method", "tlsv1_2"],
    ["verify_server", "yes"],
    ...(hasBundle ? ([["ca_list_file", CA_BUNDLE]] as const) : []),
    ["ca_list_path", "/etc/ssl/certs"],
  ];
}

/** Names are asked for IPv4 addresses. */
function transportOf({ host, transport }: Gateway): string {
  return `transport-${transport}${isIPv6(host) ? "6" : ""}`;
}

function extensionPeer(
  { pbx, domain }: Exchange,
  { number, name, secret, contacts }: Extension,
): readonly ConfSection[] {
  return [
    {
      name: number,
      pairs: [
        ["type", "endpoint"],
        ["context", CONTEXTS.phones],
        ...codecs(pbx.codec),
        ["auth", number],
        ["aors", number],
        ["callerid", callerId(name ?? number, number)],
        ["from_domain", domain],
        ...MEDIA,
        ["force_rport", "yes"],
        ["rewrite_contact", "yes"],
      ],
    },
    {
      name: number,
      pairs: [
        ["type", "auth"],
        ["auth_type", "userpass"],
        ["username", number],
        ["password", secret],
      ],
    },
    {
      name: number,
      pairs: [
        ["type", "aor"],
        ["max_contacts", String(contacts)],
        ["remove_existing", "yes"],
        ["qualify_frequency", "60"],
      ],
    },
  ];
}

/** Kamailio, which has asked for the passwords, and knows where the phones are. */
function proxyPeer({ pbx, address, domain }: Exchange): readonly ConfSection[] {
  return [
    {
      name: "proxy",
      pairs: [
        ["type", "endpoint"],
        ["context", CONTEXTS.phones],
        ...codecs(pbx.codec),
        ["aors", "proxy"],
        ["from_domain", domain],
        ...MEDIA,
      ],
    },
    {
      name: "proxy",
      pairs: [
        ["type", "aor"],
        ["contact", `sip:${inUri(address)}:5060`],
        ["qualify_frequency", "60"],
      ],
    },
    {
      name: "proxy",
      pairs: [
        ["type", "identify"],
        ["endpoint", "proxy"],
        ["match", address],
      ],
    },
  ];
}

function gatewayPeer({ pbx, domain }: Exchange, gateway: Gateway): readonly ConfSection[] {
  const name = `gw-${gateway.id}`;
  const uri = gatewayUri(gateway);
  const { username, password } = gateway;
  const hasLogin = username !== undefined && password !== undefined;
  return [
    {
      name,
      pairs: [
        ["type", "endpoint"],
        ["context", CONTEXTS.trunks],
        ["transport", transportOf(gateway)],
        ...codecs(gateway.codec.length > 0 ? gateway.codec : pbx.codec),
        ["aors", name],
        ["from_domain", hasLogin ? inUri(gateway.host) : domain],
        ...(hasLogin
          ? ([
              ["outbound_auth", name],
              ["from_user", userInUri(username)],
            ] as const)
          : []),
        ...(gateway.srtp === "sdes" ? ([["media_encryption", "sdes"]] as const) : []),
        ...MEDIA,
      ],
    },
    {
      name,
      pairs: [
        ["type", "aor"],
        ["contact", uri],
        ["qualify_frequency", String(gateway.qualify)],
      ],
    },
    {
      name,
      pairs: [
        ["type", "identify"],
        ["endpoint", name],
        ...(gateway.match.length > 0 ? gateway.match : [gateway.host]).map((one) => ["match", one] as const),
      ],
    },
    ...(hasLogin
      ? [
          {
            name,
            pairs: [
              ["type", "auth"],
              ["auth_type", "userpass"],
              ["username", username],
              ["password", password],
            ] as const,
          },
        ]
      : []),
    ...(hasLogin && gateway.register
      ? [
          {
            name,
            pairs: [
              ["type", "registration"],
              ["transport", transportOf(gateway)],
              ["server_uri", uri],
              ["client_uri", `sip:${userInUri(username)}@${inUri(gateway.host)}`],
              ["contact_user", userInUri(username)],
              ["outbound_auth", name],
              ["retry_interval", "60"],
              ["line", "yes"],
              ["endpoint", name],
            ] as const,
          },
        ]
      : []),
  ];
}

/** The media stays with us, and goes where it comes from: phones sit behind NAT. */
const MEDIA = [
  // Numbers come whole: one that could still become longer is just not there.
  ["allow_overlap", "no"],
  ["direct_media", "no"],
  ["rtp_symmetric", "yes"],
] as const;

function codecs(names: readonly string[]): readonly (readonly [string, string])[] {
  return [
    ["disallow", "all"],
    ["allow", names.join(",")],
  ];
}

export function gatewayUri({ host, port, transport }: Gateway): string {
  const given = port ?? (transport === "tls" ? 5061 : 5060);
  return `sip:${inUri(host)}:${given}${transport === "udp" ? "" : `;transport=${transport}`}`;
}

function inUri(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** RFC 3261 §25.1, `user`: what is not unreserved is escaped. */
function userInUri(user: string): string {
  return encodeURIComponent(user);
}

/**
 * Module by module: what is not loaded cannot be attacked and takes no memory. The core's own, codecs and formats first is not needed: Asterisk orders
 * them. One that a device does not have is a warning in its log.
 */
function renderModules({ pbx, gateways }: Exchange): string {
  const hasLimits = gateways.some(({ max_calls }) => max_calls !== undefined);
  const isSecret = gateways.some(({ srtp }) => srtp !== "none");
  const codecNames = new Set([...pbx.codec, ...gateways.flatMap(({ codec }) => codec)]);
  const modules = [
    ...MODULES,
    ...(codecNames.has("g722") ? ["codec_g722"] : []),
    ...(codecNames.has("gsm") ? ["codec_gsm", "format_gsm"] : []),
    ...(codecNames.has("opus") ? ["res_format_attr_opus"] : []),
    ...(codecNames.has("g729") ? ["res_format_attr_g729"] : []),
    ...(hasLimits ? ["func_groupcount"] : []),
    ...(isSecret ? ["res_srtp"] : []),
  ];
  return [
    "[modules]",
    "autoload = no",
    ...modules.map((name) => `load = ${name}.so`),
    "",
    '#tryinclude "beesip-modules.conf"',
    "",
  ].join("\n");
}

const MODULES = [
  ...["app_dial", "app_echo", "app_playback", "app_stack", "app_mixmonitor"],
  ...[
    "bridge_simple",
    "bridge_native_rtp",
    "bridge_softmix",
    "bridge_holding",
    "bridge_builtin_features",
    "chan_pjsip",
  ],
  ...["codec_alaw", "codec_ulaw", "codec_a_mu", "codec_resample", "format_pcm", "format_sln", "format_wav"],
  ...["func_callerid", "func_channel", "func_env", "func_hangupcause", "func_logic", "func_strings", "func_timeout"],
  ...["pbx_config", "pbx_spool", "res_crypto", "res_pjproject", "res_rtp_asterisk", "res_security_log"],
  ...["res_sorcery_astdb", "res_sorcery_config", "res_sorcery_memory", "res_timing_timerfd", "res_statsd"],
  ...[
    "res_pjsip",
    "res_pjsip_acl",
    "res_pjsip_authenticator_digest",
    "res_pjsip_caller_id",
    "res_pjsip_diversion",
    "res_pjsip_dlg_options",
    "res_pjsip_dtmf_info",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_header_funcs",
    "res_pjsip_logger",
    "res_pjsip_nat",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_outbound_registration",
    "res_pjsip_path",
    "res_pjsip_pubsub",
    "res_pjsip_refer",
    "res_pjsip_registrar",
    "res_pjsip_rfc3326",
    "res_pjsip_sdp_rtp",
    "res_pjsip_session",
  ],
] as const;
