/** What Asterisk needs to call other probes and to be called by them: beside an exchange's files, or all that it needs. */
import {
  type ConfSection,
  type DialContext,
  type DialStep,
  LOGGER,
  printDialPlan,
  printRtp,
  printSections,
  step,
} from "../_asterisk-conf.ts";

const FOLDER = "/etc/asterisk";
const HEAD = "; Made by uciprov from /etc/config/beesip; changes here are lost.";

export interface AsteriskFile {
  readonly path: string;
  readonly text: string;
  /** Whether the running Asterisk takes a new one without a restart. */
  readonly isReloadable: boolean;
}

/** Read at the end of the files they are named after, those of the module `pbx` and ours alike. */
export function renderBeside(): readonly AsteriskFile[] {
  return files([
    ["beesip-pjsip.conf", printSections(ENDPOINTS), true],
    ["beesip-extensions.conf", printDialPlan(CONTEXTS), true],
    ["beesip-modules.conf", "load = func_groupcount.so\n", false],
  ]);
}

/** An Asterisk that does this and nothing else. */
export function renderAlone(port: number): readonly AsteriskFile[] {
  return files([
    ["pjsip.conf", `${printSections(alone(port))}\n#tryinclude "beesip-pjsip.conf"\n`, false],
    ["extensions.conf", `${printSections(GENERAL)}\n#tryinclude "beesip-extensions.conf"\n`, true],
    ["modules.conf", modules(), false],
    ["rtp.conf", printRtp(10_000, 10_400), true],
    ["logger.conf", LOGGER, true],
  ]);
}

function files(
  all: readonly (readonly [name: string, text: string, isReloadable: boolean])[],
): readonly AsteriskFile[] {
  return all.map(([name, text, isReloadable]) => ({
    path: `${FOLDER}/${name}`,
    text: `${HEAD}\n${text}`,
    isReloadable,
  }));
}

/** Another probe's calls are known by this name: it says so in From, and nobody has a password. What lets it in is its address (`probe-in`). */
const NAME = "probe";
/** Calls of each codec have an endpoint of their own: the plan that says which comes long after these files. */
const CODECS = ["alaw", "ulaw"] as const;

const ENDPOINTS: readonly ConfSection[] = [
  endpoint(NAME, CODECS),
  ...CODECS.map((codec) => endpoint(`${NAME}-${codec}`, [codec])),
];

function endpoint(name: string, codecs: readonly string[]): ConfSection {
  return {
    name,
    pairs: [
      ["type", "endpoint"],
      ["context", "probe-in"],
      ["disallow", "all"],
      ["allow", codecs.join(",")],
      ["from_user", NAME],
      ["allow_overlap", "no"],
      ["direct_media", "no"],
      ["rtp_symmetric", "yes"],
      // Who is gone holds no call.
      ["rtp_timeout", "30"],
    ],
  };
}

/** In Asterisk's spool, which is its own to read and, in `rec`, to write; `uciprov probe` fills it. */
const SPOOL = `\${ASTSPOOLDIR}/beesip-probe`;
/** Seconds that a call may have in all, whatever happens. */
const LONGEST_CALL = 90;
/** Calls of one partner at a time: its own, and one that it has given up and we have not. A lie about an address gets no more than that. */
const MOST_CALLS = 2;

const CONTEXTS: readonly DialContext[] = [
  { name: "probe-in", extensions: [{ number: NAME, steps: answering() }] },
  { name: "probe-out", extensions: [{ number: "s", steps: calling() }] },
  { name: "probe-end", extensions: [{ number: "s", steps: counting() }] },
];

/** Partners of the plan alone are answered: there is a file for each of their addresses. They hear the sound; nothing of theirs is kept. */
function answering(): readonly DialStep[] {
  return [
    step("Set", `TIMEOUT(absolute)=${LONGEST_CALL}`),
    // ADDRESS:PORT, or [ADDRESS]:PORT: by Asterisk's own socket, not by what the caller says.
    step("Set", `FROM=\${CHANNEL(pjsip,remote_addr)}`),
    // A bracket in an expression would end it, so it is counted by colons which of the two it is.
    step("GotoIf", `$[\${FIELDQTY(FROM,:)} > 2]?six`),
    step("Set", `ADDRESS=\${SHIFT(FROM,:)}`),
    step("Goto", "known"),
    step("Set", `ADDRESS=\${SHIFT(FROM,])}`, "six"),
    step("Set", `ADDRESS=\${ADDRESS:1}`),
    step("GotoIf", `$["\${STAT(e,${SPOOL}/partners/\${ADDRESS})}" = "1"]?welcome`, "known"),
    step("Hangup", "21"),
    step("Set", `GROUP(probe)=\${ADDRESS}`, "welcome"),
    step("GotoIf", `$[\${GROUP_COUNT(\${ADDRESS}@probe)} > ${MOST_CALLS}]?busy`),
    step("Answer"),
    ...sound(),
    step("Hangup"),
    step("Hangup", "17", "busy"),
  ];
}

/** PROBE_CALL and PROBE_RECORDS come with the call file. Only what comes from the partner is recorded. */
function calling(): readonly DialStep[] {
  return [
    step("Set", `TIMEOUT(absolute)=${LONGEST_CALL}`),
    step("Set", "CHANNEL(hangup_handler_push)=probe-end,s,1"),
    step("GotoIf", `$["\${PROBE_RECORDS}" = "1"]?record:play`),
    step("MixMonitor", `,r(${SPOOL}/rec/\${PROBE_CALL}.wav)`, "record"),
    step("NoOp", "", "play"),
    ...sound(),
    step("Hangup"),
  ];
}

/** A moment before, so that the other side is listening; more after, so that the last packets come. */
function sound(): readonly DialStep[] {
  return [step("Wait", "1"), step("Playback", `${SPOOL}/sample`), step("Wait", "3")];
}

function counting(): readonly DialStep[] {
  return [step("Set", `FILE(${SPOOL}/rec/\${PROBE_CALL}.rtcp,,,al,u)=\${CHANNEL(rtcp,all)}`), step("Return")];
}

/** PJSIP has no socket for both families. */
function alone(port: number): readonly ConfSection[] {
  return [
    {
      name: "global",
      pairs: [
        ["type", "global"],
        ["endpoint_identifier_order", "username"],
        ["user_agent", "beesip"],
      ],
    },
    ...["udp", "tcp"].flatMap((protocol) =>
      ["0.0.0.0", "[::]"].map((address) => ({
        name: `transport-${protocol}${address === "[::]" ? "6" : ""}`,
        pairs: [
          ["type", "transport"],
          ["protocol", protocol],
          ["bind", `${address}:${port}`],
        ] as const,
      })),
    ),
  ];
}

const GENERAL: readonly ConfSection[] = [
  {
    name: "general",
    pairs: [
      ["static", "yes"],
      ["writeprotect", "yes"],
      ["autofallthrough", "yes"],
      ["clearglobalvars", "yes"],
    ],
  },
];

function modules(): string {
  return [
    "[modules]",
    "autoload = no",
    ...MODULES.map((name) => `load = ${name}.so`),
    "",
    '#tryinclude "beesip-modules.conf"',
    "",
  ].join("\n");
}

const MODULES = [
  ...["app_playback", "app_stack", "app_mixmonitor", "bridge_simple", "chan_pjsip"],
  ...["codec_alaw", "codec_ulaw", "codec_resample", "format_pcm", "format_sln", "format_wav"],
  ...["func_callerid", "func_channel", "func_env", "func_logic", "func_strings", "func_timeout"],
  ...["pbx_config", "pbx_spool", "res_crypto", "res_pjproject", "res_rtp_asterisk", "res_security_log"],
  ...["res_sorcery_astdb", "res_sorcery_config", "res_sorcery_memory", "res_timing_timerfd", "res_statsd"],
  ...["res_pjsip", "res_pjsip_acl", "res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_dlg_options"],
  ...["res_pjsip_endpoint_identifier_user", "res_pjsip_nat", "res_pjsip_pubsub", "res_pjsip_rfc3326"],
  ...["res_pjsip_sdp_rtp", "res_pjsip_session"],
] as const;
