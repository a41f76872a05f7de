import { createHash } from "node:crypto";
import type { FleetFacts } from "./fleet-facts.ts";
import { SCRIPT } from "./page-script.ts";
import { STYLE } from "./page-style.ts";

/**
 * The fleet's changes as one page that needs nothing else: no server, no network, no other file. What devices and trees are called is data in it, never markup: it
 * stands in a block that browsers do not run, and the script puts it into the page as text. The policy lets only this style and this script work, by their digests.
 */
export function fleetPage(facts: FleetFacts, plainText: string): string {
  const policy = [
    "default-src 'none'",
    `style-src '${digest(STYLE)}'`,
    `script-src '${digest(SCRIPT)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escaped(titleOf(facts))}</title>
<style>${STYLE}</style>
</head>
<body>
<header id="head"></header>
<noscript><pre>${escaped(plainText)}</pre></noscript>
<main id="main"></main>
<script type="application/json" id="facts">${asData(facts)}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function titleOf({ after }: FleetFacts): string {
  return [after.tree ?? "tree", after.serial === null ? undefined : `serial ${after.serial}`, "what changes"]
    .filter((part) => part !== undefined)
    .join(", ");
}

/** JSON in which nothing can end the block it stands in, nor begin a comment. */
function asData(facts: FleetFacts): string {
  return JSON.stringify(facts).replace(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escaped(text: string): string {
  return text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
