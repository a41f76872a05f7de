/** Asterisk's extensions.conf: who may dial what, and what happens then. */
import {
  type DialContext,
  type DialExtension,
  type DialStep,
  pattern,
  printDialPlan,
  printSections,
  step,
} from "../_asterisk-conf.ts";
import type { Exchange, Trunk } from "./exchange.ts";
import { dialForms, lengthsOf, numberTrunks, ownForms, ownPrefix, prefixTrunks } from "./numbers.ts";

/** Names of contexts; `modules.conf` of other packages and the endpoints name them. */
export const CONTEXTS = { phones: "phones", trunks: "from-trunks" } as const;

/** What other modules add: read if it is there. */
const MORE = "beesip-extensions.conf";

export function renderDialPlan(exchange: Exchange): string {
  const general = printSections([
    {
      name: "general",
      pairs: [
        ["static", "yes"],
        ["writeprotect", "yes"],
        ["autofallthrough", "yes"],
        ["clearglobalvars", "yes"],
      ],
    },
  ]);
  return `${general}\n${printDialPlan(contextsOf(exchange))}\n#tryinclude "${MORE}"\n`;
}

/** Phones reach extensions, numbers that are routed as they are, and the world; trunks reach extensions and nothing else: nobody calls through us. */
function contextsOf(exchange: Exchange): readonly DialContext[] {
  return [
    { name: CONTEXTS.phones, includes: ["extensions", "own-forms", "own-none", "numbers", "forms"], extensions: [] },
    { name: CONTEXTS.trunks, includes: ["extensions", "own-forms", "trunk-forms"], extensions: [] },
    { name: "extensions", extensions: exchange.extensions.map(({ number }) => ringing(exchange, number)) },
    { name: "own-forms", extensions: exchange.extensions.flatMap(({ number }) => aliases(exchange, number)) },
    { name: "own-none", extensions: ownNone(exchange) },
    { name: "numbers", extensions: numberTrunks(exchange).map((trunk) => routed(exchange, trunk, trunk.route.prefix)) },
    { name: "forms", extensions: forms(exchange) },
    { name: "trunk-forms", extensions: bareForms(exchange) },
    {
      name: "world",
      extensions: prefixTrunks(exchange).map((trunk) =>
        routed(exchange, trunk, pattern(trunk.route.prefix, { least: 0 })),
      ),
    },
  ];
}

function ringing({ pbx }: Exchange, number: string): DialExtension {
  // `b2bua`: every phone that is logged in as this number rings. `both`: Kamailio knows where they are.
  const target = pbx.role === "both" ? `PJSIP/${number}@proxy` : `\${PJSIP_DIAL_CONTACTS(${number})}`;
  return {
    number,
    steps: [
      ...(pbx.role === "both" ? [] : [step("GotoIf", `$[\${LEN(${target})} = 0]?away`)]),
      step("Dial", `${target},${pbx.ring_seconds}`),
      ...endings(),
      ...(pbx.role === "both" ? [] : [step("Hangup", "20", "away")]),
    ],
  };
}

function aliases(exchange: Exchange, extension: string): readonly DialExtension[] {
  return ownForms(exchange.pbx, extension).map((number) => ({
    number,
    steps: [step("Goto", `extensions,${extension},1`)],
  }));
}

/** Our own numbers that nobody has: they must not go out, since they would come back. */
function ownNone({ pbx }: Exchange): readonly DialExtension[] {
  const own = ownPrefix(pbx);
  if (own === undefined) return [];
  const heads = ownForms(pbx, "").filter((head) => head !== "");
  return [...new Set(heads)].flatMap((head) => {
    const rest = pbx.national_digits - (pbx.area_code?.length ?? 0);
    const isBareNational =
      !head.startsWith("+") && !head.startsWith(pbx.international_prefix) && pbx.national_prefix === undefined;
    if (!isBareNational) return [{ number: pattern(head, { least: 0 }), steps: [step("Hangup", "1")] }];
    return rest > 0 ? [{ number: pattern(head, { count: rest }), steps: [step("Hangup", "1")] }] : [];
  });
}

/** Whatever the form, what goes on is `+` and digits alone: `&`, `,` or `/` in what somebody dials would otherwise reach Dial(). */
function forms({ pbx }: Exchange): readonly DialExtension[] {
  return dialForms(pbx).map(({ begins, digits, becomes }) => ({
    number: pattern(begins, digits === undefined ? { least: 1 } : { count: digits }),
    steps: [step("Goto", `world,${becomes}\${FILTER(0-9,\${EXTEN:${begins.length}})},1`)],
  }));
}

/** Gateways that leave the `+` away. */
function bareForms(exchange: Exchange): readonly DialExtension[] {
  const own = ownPrefix(exchange.pbx)?.slice(1);
  if (own === undefined) return [];
  const taken = new Set(exchange.extensions.flatMap(({ number }) => [number, ...ownForms(exchange.pbx, number)]));
  return exchange.extensions
    .map(({ number }) => ({ number: `${own}${number}`, steps: [step("Goto", `extensions,${number},1`)] }))
    .filter(({ number }) => !taken.has(number));
}

/** Gateway after gateway: the next one only if this one is not there or has no line; busy, no answer or a refusal by the called ends it. */
function routed(exchange: Exchange, trunk: Trunk, number: string): DialExtension {
  const { least, most } = lengthsOf(trunk);
  const { strip, prepend, prefix } = trunk.route;
  const isWhole = !prefix.startsWith("+");
  const own = ownPrefix(exchange.pbx);
  return {
    number,
    steps: [
      // 28: the number is not complete, or too long (ITU-T Q.850).
      ...(isWhole
        ? []
        : [step("GotoIf", `$[$[\${LEN(\${EXTEN})} < ${least}] | $[\${LEN(\${EXTEN})} > ${most}]]?wrong`)]),
      ...(own === undefined
        ? []
        : [
            // A caller of ours shows the whole number, which can be called back.
            step("GotoIf", `$[\${LEN(\${CALLERID(num)})} > 10]?known`),
            step("Set", `CALLERID(num)=${own}\${CALLERID(num)}`),
            step("NoOp", "", "known"),
          ]),
      step("Set", `NUMBER=${prepend}\${EXTEN:${strip}}`),
      ...trunk.gateways.flatMap((gateway, at): DialStep[] => [
        ...(gateway.max_calls === undefined
          ? []
          : [
              step("GotoIf", `$[\${GROUP_COUNT(${gateway.id}@gateway)} >= ${gateway.max_calls}]?after${at}`),
              step("Set", `GROUP(gateway)=${gateway.id}`),
            ]),
        step("Dial", `PJSIP/\${NUMBER}@gw-${gateway.id},${exchange.pbx.ring_seconds}`),
        // "No answer" is the called's, unless nobody said anything at all.
        step("Set", `SAID=\${HANGUPCAUSE(\${HANGUPCAUSE_KEYS()},tech)}`),
        step(
          "GotoIf",
          `$["\${DIALSTATUS}" = "CHANUNAVAIL" | "\${DIALSTATUS}" = "CONGESTION" | "\${SAID:0:7}" = "SIP 408"]?after${at}:end`,
        ),
        step("NoOp", "", `after${at}`),
      ]),
      step("Hangup", "34"),
      ...(isWhole ? [] : [step("Hangup", "28", "wrong")]),
      ...endings("end"),
    ],
  };
}

/** The caller hears what became of the call. */
function endings(label?: string): readonly DialStep[] {
  return [
    step("GotoIf", `$["\${DIALSTATUS}" = "BUSY"]?busy`, label),
    step("Hangup", `\${HANGUPCAUSE}`),
    step("Hangup", "17", "busy"),
  ];
}
