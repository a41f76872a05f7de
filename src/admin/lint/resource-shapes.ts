import type { Module, Template } from "../../api.ts";
import type { Settings } from "../../settings.ts";
import { type Wanted, wantedResources } from "../../stages/fetch/wanted.ts";

/** A resource some module wants, and which names in a tree it could have on any device. */
export interface ResourceShape extends Wanted {
  /** undefined: it does not lie below the tree. */
  readonly names: RegExp | undefined;
  /** The file is one device's own: its name holds what no other device has. */
  readonly isPersonal: boolean;
  /** How many macros but `fd` its name has: the fewer, the surer a name is meant. */
  readonly macros: number;
}

export function resourceShapes(settings: Settings, modules: readonly Module[]): readonly ResourceShape[] {
  return wantedResources(settings, modules).map((wanted) => ({ ...wanted, ...shapeOf(wanted.template) }));
}

const PERSONAL: ReadonlySet<string> = new Set(["mac", "serial", "hostname", "fqdn"]);

function shapeOf({ parts }: Template): Pick<ResourceShape, "names" | "isPersonal" | "macros"> {
  const macros = parts.flatMap((part) => (part.kind === "macro" ? [part.name] : []));
  const isPersonal = macros.some((name) => PERSONAL.has(name));
  const [first, ...rest] = parts;
  const isBelow =
    first?.kind === "macro" &&
    first.name === "base_uri" &&
    !rest.some((part) => part.kind === "literal" && part.text.includes("?"));
  const pattern = rest.map((part) =>
    part.kind === "literal" ? literalIn(part.text) : macroIn(part.name, part.modifiers),
  );
  const names = isBelow ? new RegExp(`^/${pattern.join("").replace(/^\//, "")}$`, "s") : undefined;
  return { names, isPersonal, macros: macros.filter((name) => name !== "fd" && name !== "base_uri").length };
}

function literalIn(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function macroIn(name: string, modifiers: readonly string[]): string {
  if (name === "fd") return "(?:-fd)?";
  return name === "mac" && modifiers.length === 0 ? "[0-9a-f]{12}" : "[^/]+";
}

/** The resource a file would be, the surest one first; undefined: by its name it is none. */
export function shapeFor(name: string, shapes: readonly ResourceShape[]): ResourceShape | undefined {
  const fitting = shapes.filter(({ names }) => names?.test(`/${name}`));
  return fitting.toSorted((a, b) => a.macros - b.macros || Number(isMac(b)) - Number(isMac(a)))[0];
}

/** A name of twelve hex digits is a MAC address, though a board or host could be called so. */
function isMac({ template }: ResourceShape): boolean {
  return template.parts.some((part) => part.kind === "macro" && part.name === "mac");
}
