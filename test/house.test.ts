import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { plugins } from "../src/registry.ts";
import { VERSION } from "../src/version.ts";

/** Every file that git has or would take, so that leftovers on a developer's disk do not count. */
const FILES = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((path) => path !== "" && existsSync(path));

const SOURCES = FILES.filter((path) => /^(?:src|resolvers|hooks)\/.*\.ts$/.test(path) && !path.endsWith(".d.ts"));

/** What a room may use, as prefixes of paths; its own files always. `types:` stands for `import type` only. */
const ROOMS: readonly { readonly room: RegExp; readonly uses: readonly string[] }[] = [
  { room: /^src\/errors\.ts$/, uses: [] },
  { room: /^src\/dns\//, uses: ["src/errors.ts", "types:src/api.ts"] },
  { room: /^src\/uci\//, uses: ["src/errors.ts", "types:src/api.ts"] },
  { room: /^src\/uri\.ts$/, uses: ["src/errors.ts"] },
  { room: /^src\/utf8\.ts$/, uses: [] },
  { room: /^src\/paths\.ts$/, uses: ["src/errors.ts", "src/utf8.ts"] },
  { room: /^src\/macros(?:\.ts$|\/)/, uses: ["src/macros", "src/errors.ts", "src/uri.ts"] },
  {
    room: /^src\/tree\//,
    uses: ["src/errors.ts", "src/macros.ts", "src/uri.ts", "src/utf8.ts", "src/paths.ts", "types:src/api.ts"],
  },
  { room: /^src\/trust(?:[.-]|\/)/, uses: ["src/trust", "src/errors.ts", "types:src/api.ts"] },
  { room: /^src\/changes\.ts$/, uses: ["types:src/uci/", "src/sha256.ts"] },
  { room: /^src\/settings\.ts$/, uses: ["src/errors.ts", "src/uci/model.ts"] },
  { room: /^src\/guard\//, uses: ["src/errors.ts", "src/uri.ts", "types:src/api.ts"] },
  { room: /^src\/transaction\//, uses: ["src/errors.ts", "src/paths.ts", "types:src/api.ts", "types:src/changes.ts"] },
  { room: /^resolvers\//, uses: ["src/api.ts"] },
  { room: /^hooks\//, uses: ["src/api.ts"] },
];

const IMPORT = /^(?:import|export)\s+(type\s+)?([^"';]*?)from\s+"(\.[^"]+)"/gms;

test("every room uses what stands below it, and nothing else", () => {
  const wrong = SOURCES.flatMap((file) => {
    const room = ROOMS.find((one) => one.room.test(file));
    if (room === undefined) return [];
    return importsOf(file).flatMap(({ path, isType }) => {
      const isOwn = room.room.test(path);
      const isAllowed = room.uses.some((use) =>
        use.startsWith("types:") ? isType && path.startsWith(use.slice("types:".length)) : path.startsWith(use),
      );
      return isOwn || isAllowed ? [] : [`${file} uses ${path}`];
    });
  });
  expect(wrong).toEqual([]);
});

test("no plug-in uses another plug-in, and no stage a stage's inside", () => {
  const wrong = SOURCES.flatMap((file) =>
    importsOf(file).flatMap(({ path }) => {
      const isPlugin = /^(?:resolvers|hooks)\/[^_/][^/]*\.ts$/.test(file) && /^(?:resolvers|hooks)\/[^_]/.test(path);
      const isInside = /^src\/(?!stages\/)/.test(file) && /^src\/stages\/(?:validate|confirm)\//.test(path);
      return isPlugin || isInside ? [`${file} uses ${path}`] : [];
    }),
  );
  expect(wrong).toEqual([]);
});

test("what lies in a module's folder uses that folder and files beside the modules, not another module", () => {
  const wrong = SOURCES.flatMap((file) => {
    const own = /^hooks\/([^_/]+)\//.exec(file)?.[1];
    if (own === undefined) return [];
    const foreign = importsOf(file).filter(
      ({ path }) => /^hooks\/[^_]/.test(path) && !path.startsWith(`hooks/${own}/`),
    );
    return foreign.map(({ path }) => `${file} uses ${path}`);
  });
  expect(wrong).toEqual([]);
});

test("only the registry knows the plug-ins", () => {
  const wrong = SOURCES.filter((file) => file !== "src/registry.ts" && file.startsWith("src/")).filter((file) =>
    importsOf(file).some(({ path }) => /^(?:resolvers|hooks)\//.test(path)),
  );
  expect(wrong).toEqual([]);
});

test("nothing on a device's path uses the admin's room, and the pure rooms read and write nothing", () => {
  const admin = SOURCES.filter((file) => !file.startsWith("src/admin/")).flatMap((file) =>
    importsOf(file)
      .filter(({ path }) => path.startsWith("src/admin/"))
      .map(({ path }) => `${file} uses ${path}`),
  );
  const io = SOURCES.filter((file) => /^src\/(?:uci|tree|dns|macros|trust|transaction|guard)/.test(file)).filter(
    (file) => /from "node:(?:fs|net|http|https|tls|child_process|dgram|dns)/.test(readFileSync(file, "utf8")),
  );
  expect({ admin, io }).toEqual({ admin: [], io: [] });
});

test("the program's version is the package's", () => {
  expect(JSON.parse(readFileSync("package.json", "utf8"))).toMatchObject({ version: VERSION });
});

test("imports make no circle", () => {
  const graph = new Map(
    SOURCES.map((file) => [
      file,
      importsOf(file)
        .filter(({ isType }) => !isType)
        .map(({ path }) => path),
    ]),
  );
  expect(SOURCES.flatMap((file) => circleFrom(file, graph) ?? []).slice(0, 1)).toEqual([]);
});

test.each([
  ["resolvers", plugins.resolvers.map(({ name }) => name)],
  ["hooks", plugins.modules.map(({ name }) => name)],
])("the folder %s is the registry", (folder, names) => {
  const inFolder = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("_") && name !== "README.md")
    .map(({ name }) => name.replace(/\.ts$/, ""));
  expect([...names].sort()).toEqual(inFolder.sort());
});

test("the tree names no place of a developer's machine", () => {
  const places = [
    /(?<![}`A-Z])\/wo[r]k\/(?!stage|undo|promote)/,
    /\.\.\/sh[a]red/,
    /\/(?:home|Users)\/[a-z]/,
    /registry\.np[m]js/,
  ];
  const texts = FILES.filter((path) => /\.(?:ts|mjs|js|json|md|sh|yml|c|h)$|^\.ci\//.test(path));
  const wrong = texts.flatMap((path) => {
    const text = readFileSync(path, "utf8");
    return places.filter((place) => place.test(text)).map((place) => `${path}: ${place}`);
  });
  expect(wrong).toEqual([]);
});

test("a source file is about one subject: none is longer than 400 lines", () => {
  const long = SOURCES.map((file) => [file, readFileSync(file, "utf8").split("\n").length] as const);
  expect(long.filter(([, lines]) => lines > 400)).toEqual([]);
});

function importsOf(file: string): { readonly path: string; readonly isType: boolean }[] {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].map(([, type, names, target]) => ({
    path: normalize(join(dirname(file), target ?? "")),
    isType: type !== undefined || isAllTypes(names ?? ""),
  }));
}

/** `{ type A, type B }`. */
function isAllTypes(names: string): boolean {
  const inside = /^\s*\{(.*)\}\s*$/s.exec(names)?.[1];
  const parts =
    inside
      ?.split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "") ?? [];
  return parts.length > 0 && parts.every((part) => part.startsWith("type "));
}

function circleFrom(start: string, graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const seen = new Set<string>();
  const walk = (file: string, trail: readonly string[]): string[] | undefined => {
    for (const next of graph.get(file) ?? []) {
      if (next === start) return [...trail, file, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...trail, file]);
      if (found) return found;
    }
    return undefined;
  };
  return walk(start, []);
}
