import { hostnameIn } from "../../hostname.ts";
import type { Inventory, InventoryDevice } from "../inventory.ts";
import type { LayersOf } from "./check-layers.ts";
import { Asking, type Chosen, firstBoot, macrosOf, type SettingMacro } from "./reach.ts";
import type { ResourceShape } from "./resource-shapes.ts";
import type { Report } from "./rules.ts";

/** What the devices of an inventory make of a tree. */
export interface FleetView {
  /** Every name that some device asks for at some time. */
  readonly asked: ReadonlySet<string>;
  /** The files that devices end up with, in the order of the layers, and how many devices do. */
  readonly chains: readonly { readonly files: readonly string[]; readonly devices: number }[];
  /** Boards of the devices that take a file, with how many they are. */
  boardsFor(file: string): ReadonlyMap<string, number>;
}

/** What a file of the tree adds to the devices' settings, by `config resource` and `config macro` in it. */
export interface Added {
  readonly shapes: readonly ResourceShape[];
  readonly macros: readonly SettingMacro[];
}

export type AddedBy = (file: string) => Added | undefined;

/** As many passes as a run makes before it calls a tree unsettled (src/provision.ts). */
const PASSES = 3;

/** Walks every device of the inventory through the tree, from the first boot until it settles. */
export function viewFleet(
  inventory: Inventory,
  own: Added,
  addedBy: AddedBy,
  layersOf: LayersOf,
  has: (name: string) => boolean,
  report: Report,
): FleetView {
  const walk = new Walk(own, addedBy, layersOf, has);
  for (const device of inventory.devices) walk.device(device);
  walk.tell(inventory.file, report);
  return walk;
}

interface Group {
  readonly message: string;
  readonly line: number;
  devices: number;
  last: InventoryDevice;
}

class Walk implements FleetView {
  readonly asked = new Set<string>();
  readonly #byFiles = new Map<string, { readonly files: readonly string[]; devices: number }>();
  readonly #boards = new Map<string, Map<string, number>>();
  readonly #missing = new Map<string, Group>();
  readonly #unsettled = new Map<string, Group>();
  #unconfigured: Group | undefined;
  readonly #hostnames = new Map<string, string | undefined>();
  readonly #asking: Asking;
  readonly #own: Added;
  readonly #addedBy: AddedBy;
  readonly #layersOf: LayersOf;

  constructor(own: Added, addedBy: AddedBy, layersOf: LayersOf, has: (name: string) => boolean) {
    this.#own = own;
    this.#addedBy = addedBy;
    this.#layersOf = layersOf;
    this.#asking = new Asking(has);
  }

  get chains(): FleetView["chains"] {
    return [...this.#byFiles.values()];
  }

  boardsFor(file: string): ReadonlyMap<string, number> {
    return this.#boards.get(file) ?? new Map();
  }

  device(device: InventoryDevice): void {
    const begin = firstBoot(device);
    let taken = this.#take(device, begin);
    let isSettled = false;
    for (let pass = 1; pass <= PASSES && !isSettled; pass += 1) {
      const hostname = this.#hostnameFrom(taken) ?? begin.hostname;
      const next = this.#take(device, { fd: "", hostname });
      isSettled = keyOf(next) === keyOf(taken);
      if (!isSettled && pass === PASSES) {
        const [before, after] = [taken, next].map((files) =>
          files.filter((name) => this.#hostnameOf(name) !== undefined),
        );
        const message = `the hostname goes back and forth between ${told(before)} and ${told(after)}`;
        count(this.#unsettled, `${before?.join()} ${after?.join()}`, message, device);
      }
      taken = next;
    }
    if (isSettled && taken.length === 0) {
      const label = device.facts.mac ?? device.facts.hostname ?? device.facts.serial ?? "";
      this.#unconfigured ??= {
        message: `nothing in the tree is for ${label}`,
        line: device.line,
        devices: 0,
        last: device,
      };
      this.#unconfigured.devices += 1;
    }
    this.#keep(taken, device);
  }

  tell(file: string, report: Report): void {
    for (const { message, line, devices } of this.#missing.values())
      report({ rule: "macro-missing", message: `${message} (${people(devices)})`, file, line });
    for (const { message, line, devices } of this.#unsettled.values())
      report({ rule: "unsettled", message: `${message} (${people(devices)})`, file, line });
    if (this.#unconfigured === undefined) return;
    const { message, line, devices } = this.#unconfigured;
    const others = devices === 1 ? "" : `, nor for ${devices - 1} more`;
    report({ rule: "unconfigured", message: `${message}${others}`, file, line });
  }

  #take(device: InventoryDevice, state: { readonly fd: string; readonly hostname: string }): readonly string[] {
    const { shapes, macros } = this.#own;
    const own = this.#ask(shapes, macrosOf(device, state, macros), device);
    const added = own.flatMap(({ name }) => this.#addedBy(name) ?? []);
    const known = [...macros, ...added.flatMap((one) => one.macros)];
    const more = added.flatMap((one) => one.shapes);
    const all = more.length === 0 ? own : [...own, ...this.#ask(more, macrosOf(device, state, known), device)];
    return all.map(({ name }) => name);
  }

  #ask(
    shapes: readonly ResourceShape[],
    macros: ReturnType<typeof macrosOf>,
    device: InventoryDevice,
  ): readonly Chosen[] {
    const { chosen, names, missing } = this.#asking.ask(shapes, macros);
    for (const name of names) this.asked.add(name);
    for (const { shape, why } of missing)
      count(
        this.#missing,
        `${shape.template.text}\0${why}`,
        `resource ${shape.name}, ${shape.template.text}: ${why}`,
        device,
      );
    return chosen;
  }

  #hostnameFrom(files: readonly string[]): string | undefined {
    return files.flatMap((name) => this.#hostnameOf(name) ?? []).at(-1);
  }

  #hostnameOf(file: string): string | undefined {
    if (this.#hostnames.has(file)) return this.#hostnames.get(file);
    const system = this.#layersOf(file).findLast(({ content }) => content.name === "system")?.content;
    const isSaid = system?.sections.some(
      ({ type, options }) => type === "system" && options.some(({ name }) => name === "hostname"),
    );
    const hostname = isSaid === true ? hostnameIn(system) : undefined;
    this.#hostnames.set(file, hostname);
    return hostname;
  }

  #keep(files: readonly string[], { facts }: InventoryDevice): void {
    const key = keyOf(files);
    const before = this.#byFiles.get(key);
    if (before === undefined) this.#byFiles.set(key, { files, devices: 1 });
    else before.devices += 1;
    if (facts.board === undefined) return;
    for (const file of files) {
      const boards = this.#boards.get(file) ?? new Map<string, number>();
      boards.set(facts.board, (boards.get(facts.board) ?? 0) + 1);
      this.#boards.set(file, boards);
    }
  }
}

/** A run of the same device counts it once for each thing told. */
function count(groups: Map<string, Group>, key: string, message: string, device: InventoryDevice): void {
  const known = groups.get(key);
  if (known === undefined) groups.set(key, { message, line: device.line, devices: 1, last: device });
  else if (known.last !== device) {
    known.devices += 1;
    known.last = device;
  }
}

function keyOf(files: readonly string[]): string {
  return files.join("\0");
}

function told(files: readonly string[] | undefined): string {
  return files === undefined || files.length === 0 ? "no file" : files.join(" + ");
}

function people(devices: number): string {
  return devices === 1 ? "1 device" : `${devices} devices`;
}
