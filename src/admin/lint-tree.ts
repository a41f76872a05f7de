import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Module } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { readSettings, type Settings } from "../settings.ts";
import type { Manifest } from "../tree/manifest.ts";
import type { Inventory } from "./inventory.ts";
import { checkContent } from "./lint/check-content.ts";
import { checkBoards, imageMetadata } from "./lint/check-images.ts";
import { LayerCheck, type LayersOf, layersIn } from "./lint/check-layers.ts";
import { checkManifest } from "./lint/check-manifest.ts";
import { checkPlannedSecrets, checkSecrets } from "./lint/check-secrets.ts";
import { placesIn } from "./lint/check-uci.ts";
import { type Added, type AddedBy, type FleetView, viewFleet } from "./lint/fleet.ts";
import { type ResourceShape, resourceShapes, shapeFor } from "./lint/resource-shapes.ts";
import { type LintFinding, type Report, RULES } from "./lint/rules.ts";
import { type TreeFile, treeFiles } from "./lint/tree-files.ts";
import { isOurs } from "./publish-signed.ts";

export interface LintQuestion {
  readonly folder: string;
  readonly inventory: Inventory | undefined;
  /** As the devices have them before they meet the tree. */
  readonly settings: Settings;
  readonly modules: readonly Module[];
  /** Public keys whose signatures count. */
  readonly keyFiles: readonly string[];
  /** Milliseconds since 1970, which dates are judged by. */
  readonly now: number;
  /** Tells also options that lose on some devices only. */
  readonly isVerbose: boolean;
}

export interface LintResult {
  readonly findings: readonly LintFinding[];
  readonly files: number;
  readonly devices: number | undefined;
}

/** Looks at a tree as all its devices would, and tells everything that is wrong with it. USAGE: there is no such folder. */
export async function lintTree(question: LintQuestion): Promise<LintResult> {
  const findings: LintFinding[] = [];
  const report: Report = (finding) => void findings.push({ level: RULES[finding.rule].level, ...finding });
  const files = treeFiles(question.folder, report);
  const manifest = await checkManifest(files, question.keyFiles, question.settings.limits.small, question.now, report);
  const tree = await readTree(files, question, manifest, report);
  const view = question.inventory && fleetView(question.inventory, files, tree, question, report);
  if (view === undefined) checkLayersAlone(tree, report);
  else checkLayers(view, tree.layersOf, question.isVerbose, report);
  tellUnreachable(files, tree, view, manifest, question, report);
  const placed = withPlaces(findings, files);
  return { findings: placed.toSorted(inOrder), files: files.size, devices: question.inventory?.devices.length };
}

interface Tree {
  readonly base: readonly ResourceShape[];
  /** What the tree's own settings add, by the file that does. */
  readonly addedBy: AddedBy;
  readonly shapeOf: (file: string) => ResourceShape | undefined;
  readonly layersOf: LayersOf;
  readonly layered: readonly string[];
  readonly images: ReadonlyMap<string, Awaited<ReturnType<typeof imageMetadata>>>;
}

async function readTree(
  files: ReadonlyMap<string, TreeFile>,
  question: LintQuestion,
  manifest: Manifest | undefined,
  report: Report,
): Promise<Tree> {
  const { settings, modules, now } = question;
  const base = resourceShapes(settings, modules);
  const shapes = new Map<string, ResourceShape>();
  const layers = new Map<string, ReturnType<LayersOf>>();
  const added = new Map<string, Added>();
  const images: Map<string, Awaited<ReturnType<typeof imageMetadata>>> = new Map();

  const look = async (file: TreeFile, shape: ResourceShape): Promise<void> => {
    shapes.set(file.name, shape);
    const changes = await checkContent(file, shape, settings, report);
    checkPlannedSecrets(changes, file, shape, report);
    const found = layersIn(changes);
    if (found.length > 0) layers.set(file.name, found);
    const own = addedIn(file.name, found, question, base, report);
    if (own !== undefined) added.set(file.name, own);
    const isNamed = manifest?.images.some(({ path }) => path === file.name) === true;
    if (isImage(shape)) images.set(file.name, await imageMetadata(file, isNamed, report));
  };
  const published = [...files.values()].filter(({ name }) => !isOurs(name));
  for (const file of published) {
    const shape = shapeFor(file.name, base);
    if (shape !== undefined) await look(file, shape);
  }
  const more = [...added.values()].flatMap((one) => one.shapes);
  for (const file of published) {
    const shape = shapes.has(file.name) ? undefined : shapeFor(file.name, more);
    if (shape !== undefined) await look(file, shape);
  }
  for (const file of published) checkSecrets(file, shapes.get(file.name), now, report);
  return {
    base,
    addedBy: (file) => added.get(file),
    shapeOf: (file) => shapes.get(file),
    layersOf: (file) => layers.get(file) ?? [],
    layered: [...layers.keys()],
    images,
  };
}

function isImage({ module, size }: ResourceShape): boolean {
  return size === "large" && module.name !== "overlay";
}

/** What a tree's own `uciprov` package adds to what the devices know already; values that they would refuse are told. */
function addedIn(
  file: string,
  layers: ReturnType<LayersOf>,
  { settings, modules }: LintQuestion,
  base: readonly ResourceShape[],
  report: Report,
): Added | undefined {
  const own = layers.find(({ content }) => content.name === "uciprov")?.content;
  if (own === undefined) return undefined;
  const known = new Set(base.map(({ template }) => template.text));
  try {
    const { settings: said, findings } = readSettings(own);
    for (const { message, place } of findings)
      report({
        rule: "uci-unknown-option",
        message,
        file,
        ...(place?.option === undefined ? {} : { option: `uciprov.${place.option}` }),
      });
    const all = resourceShapes({ ...settings, resources: [...settings.resources, ...said.resources] }, modules);
    return { shapes: all.filter(({ template }) => !known.has(template.text)), macros: said.macros };
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    for (const { message, place } of thrown.findings.length > 0 ? thrown.findings : [thrown])
      report({
        rule: "uci-wrong-type",
        message,
        file,
        ...(place?.option === undefined ? {} : { option: `uciprov.${place.option}` }),
      });
    return undefined;
  }
}

function fleetView(
  inventory: Inventory,
  files: ReadonlyMap<string, TreeFile>,
  tree: Tree,
  { settings }: LintQuestion,
  report: Report,
): FleetView {
  const own = { shapes: tree.base, macros: settings.macros };
  const view = viewFleet(inventory, own, tree.addedBy, tree.layersOf, (name) => files.has(name), report);
  for (const [name, metadata] of tree.images) {
    const file = files.get(name);
    if (file !== undefined) checkBoards(file, metadata, view.boardsFor(name), report);
  }
  return view;
}

function checkLayers(view: FleetView, layersOf: LayersOf, isVerbose: boolean, report: Report): void {
  const check = new LayerCheck(layersOf, report);
  for (const { files, devices } of view.chains) check.chain(files, devices);
  check.tellShadowed(isVerbose);
}

/** Without an inventory: what all devices get, against each file that some get. */
function checkLayersAlone({ layered, layersOf, shapeOf }: Tree, report: Report): void {
  const isCommon = (name: string) => shapeOf(name)?.macros === 0;
  const common = layered.filter(isCommon);
  const check = new LayerCheck(layersOf, report);
  for (const name of layered) if (!isCommon(name)) check.chain([...common, name], 1);
  if (common.length > 1) check.chain(common, 1);
}

/** What stands in a tree for people and servers, not for devices. */
const NOT_FOR_DEVICES =
  /(?:^|\/)(?:README|LICEN[CS]E|COPYING|CHANGELOG|CODEOWNERS|CNAME|Makefile)(?:\.[a-z]+)?$|\.md$|(?:^|\/)(?:robots\.txt|index\.html|\.[^/]+)$/i;

function tellUnreachable(
  files: ReadonlyMap<string, TreeFile>,
  tree: Tree,
  view: FleetView | undefined,
  manifest: Manifest | undefined,
  { inventory }: LintQuestion,
  report: Report,
): void {
  const keys = new Set(manifest?.keys.map(({ fingerprint }) => `keys/${fingerprint}`));
  for (const [name, { path }] of files) {
    if (isOurs(name) || keys.has(name)) continue;
    const isSignature = name.endsWith(".sig") && files.has(name.slice(0, -".sig".length));
    const isInventory = inventory !== undefined && resolve(inventory.file) === resolve(path);
    const isAskedFor = view === undefined ? tree.shapeOf(name) !== undefined : view.asked.has(name);
    if (isAskedFor) {
      if (manifest !== undefined && !manifest.entries.has(name))
        report({ rule: "manifest-unlisted", message: `MANIFEST does not list ${name}`, file: name });
    } else if (!isSignature && !isInventory && !NOT_FOR_DEVICES.test(name)) {
      report({ rule: "unreachable", message: whyUnreachable(name, tree, view), file: name });
    }
  }
}

function whyUnreachable(name: string, { shapeOf }: Tree, view: FleetView | undefined): string {
  const shape = shapeOf(name);
  if (view === undefined || shape === undefined) return `no resource of any device has the name ${name}`;
  return `no device of the inventory asks for ${basename(name)} (resource ${shape.name}, ${shape.template.text})`;
}

/** Adds line and byte to what so far only names an option of a file. */
function withPlaces(findings: readonly LintFinding[], files: ReadonlyMap<string, TreeFile>): readonly LintFinding[] {
  const places = new Map<string, ReturnType<typeof placesIn>>();
  return findings.map((finding) => {
    const file = finding.line === undefined ? files.get(finding.file ?? "") : undefined;
    if (file === undefined || finding.option === undefined || !file.name.endsWith(".uci")) return finding;
    const inFile = places.get(file.name) ?? placesIn(readFileSync(file.path).toString("latin1"), undefined);
    places.set(file.name, inFile);
    return { ...finding, ...inFile.get(finding.option) };
  });
}

function inOrder(a: LintFinding, b: LintFinding): number {
  const [fileA, fileB] = [a.file ?? "", b.file ?? ""];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.byte ?? 0) - (b.byte ?? 0);
}
