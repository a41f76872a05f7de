import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What packages bring of others without saying so in theirs: part of a file's name → whose it is, and its licence. */
const BROUGHT = {
  "undici/lib/llhttp/llhttp-wasm.js": {
    name: "llhttp, as undici brings it (MIT)",
    holder: "Copyright Fedor Indutny, 2018.",
  },
};

/** Puts the licences of all packages that really went into the bundle into one file beside it. */
export function licences(fileName) {
  return {
    name: "licences",
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []));
      const folders = new Set(modules.map(packageFolder).filter((folder) => folder !== undefined));
      const source = [...[...folders].sort().map(licenceOf), ...broughtBy(modules)].join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName, source });
    },
  };
}

function packageFolder(id) {
  const inPackage = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(id);
  return inPackage?.[1];
}

function licenceOf(folder) {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : undefined;
  if (text === undefined && typeof about.license !== "string") {
    throw new Error(`${about.name} is bundled and states no licence (${dirname(folder)})`);
  }
  return `${about.name} ${about.version} (${about.license})\n\n${text ?? ""}\n`;
}

function broughtBy(modules) {
  const folderOf = (file) => modules.find((id) => id.replaceAll("\\", "/").endsWith(`/node_modules/${file}`));
  return Object.entries(BROUGHT).map(([file, { name, holder }]) => {
    const id = folderOf(file);
    if (id === undefined) throw new Error(`${file} is no longer part of the bundle`);
    const text = licenceOf(packageFolder(id));
    const at = text.indexOf("Permission is hereby granted");
    if (at < 0) throw new Error(`the licence beside ${file} is another one now`);
    return `${name}\n\n${holder}\n\n${text.slice(at)}`;
  });
}
