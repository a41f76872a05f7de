/** A tree in a folder of its own, and what `tree lint` says of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseInventory } from "../../../src/admin/inventory.ts";
import type { LintFinding } from "../../../src/admin/lint/rules.ts";
import { lintTree } from "../../../src/admin/lint-tree.ts";
import { plugins } from "../../../src/registry.ts";
import { readSettings } from "../../../src/settings.ts";
import { parsePackage } from "../../../src/uci/parse.ts";

export type TreeContent = Readonly<Record<string, string | Uint8Array>>;

export interface LintScene {
  readonly tree: TreeContent;
  /** Text of an inventory. */
  readonly inventory?: string;
  /** Text of the devices' /etc/config/uciprov. */
  readonly settings?: string;
  readonly keyFiles?: readonly string[];
  /** Done in the folder before it is looked at. */
  readonly prepare?: (folder: string) => void;
  readonly isVerbose?: boolean;
}

/** 2026-11-22: what dates are judged by. */
export const NOW = Date.UTC(2026, 10, 22);

export async function lintScene(scene: LintScene): Promise<readonly LintFinding[]> {
  return await withTree(scene.tree, async (folder) => {
    scene.prepare?.(folder);
    const { findings } = await lintTree({
      folder,
      inventory:
        scene.inventory === undefined ? undefined : parseInventory(Buffer.from(scene.inventory), { file: "fleet.csv" }),
      settings: readSettings(parsePackage(scene.settings ?? "", { name: "uciprov" })).settings,
      modules: plugins.modules,
      keyFiles: scene.keyFiles ?? [],
      now: NOW,
      isVerbose: scene.isVerbose ?? false,
    });
    return findings;
  });
}

export async function withTree<T>(tree: TreeContent, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "lint-"));
  try {
    for (const [name, content] of Object.entries(tree)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One line a finding, as short as tests want it. */
export function told({ level, rule, file, line, byte, message }: LintFinding): string {
  const place = line === undefined ? "" : byte === undefined ? `:${line}` : `:${line}:${byte}`;
  return `${level} ${rule} ${file ?? ""}${place} ${message}`;
}
