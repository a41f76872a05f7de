import { type Change, type Files, makeSection, type PlanContext, uci } from "../src/api.ts";

/** A section of /etc/config/beesip that makes sense where one of these programs is. */
interface Role {
  readonly section: string;
  readonly programs: readonly string[];
  options(has: (program: string) => boolean): Readonly<Record<string, string>>;
}

const ROLES: readonly Role[] = [
  {
    section: "pbx",
    programs: ["asterisk", "kamailio"],
    options: (has) => ({
      enabled: "0",
      role: has("asterisk") ? (has("kamailio") ? "both" : "b2bua") : "proxy",
      interface: "lan",
    }),
  },
  {
    section: "security",
    programs: ["asterisk", "kamailio", "snort", "suricata"],
    options: () => ({ enabled: "0", ids: "none" }),
  },
  { section: "monitoring", programs: ["zabbix_agentd"], options: () => ({ enabled: "0" }) },
  { section: "probe", programs: ["asterisk"], options: () => ({ enabled: "0" }) },
];

/** Types of sections that any of our modules reads. */
const KNOWN: ReadonlySet<string> = new Set([
  ...ROLES.map(({ section }) => section),
  ...["extension", "phone", "gateway", "route"],
]);

/** What is missing in /etc/config/beesip for the programs that are there. */
export function defaultsFor(context: PlanContext): readonly Change[] {
  const said = context.uci("beesip");
  for (const type of new Set(said?.sections.map((one) => one.type).filter((one) => !KNOWN.has(one)))) {
    const message = `sections \`${type}\` are not read: nobody here knows them`;
    context.finding("warning", "PLAN_INVALID", message, { file: "/etc/config/beesip" });
  }
  // Who replaces packages as a whole says all that is to be in them.
  const isReplaced = said !== undefined && context.settings.resources.some(({ mode }) => mode === "replace");
  if (isReplaced) return [];
  const has = (program: string): boolean => isInstalled(context.files, program);
  const missing = ROLES.filter(({ programs }) => programs.some(has)).flatMap((role) => {
    const section = said?.sections.find(({ name }) => name === role.section);
    if (section !== undefined && section.type !== role.section) return [];
    const options = Object.entries(role.options(has)).filter(
      ([name]) => !section?.options.some((option) => option.name === name),
    );
    return options.length === 0 ? [] : [makeSection(role.section, role.section, Object.fromEntries(options))];
  });
  if (missing.length === 0) return [];
  const content = { name: "beesip", sections: missing };
  return [uci({ mode: "merge", content }, "beesip", { module: "beesip" })];
}

function isInstalled(files: Files, program: string): boolean {
  return ["/usr/sbin", "/usr/bin"].some((folder) => files.stat(`${folder}/${program}`) !== undefined);
}
