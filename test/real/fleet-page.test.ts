/** The fleet's page in a real browser: nothing of it comes from elsewhere, nothing that devices are called runs, and people find their way. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFleet } from "../../bench/make-fleet.mjs";
import { BROWSER, type Browser, openBrowser, type Tab } from "../helpers/browser.ts";
import { start } from "../helpers/scenario.ts";

const HOSTILE = [
  "</script><img src=x onerror=document.title='taken'>",
  "<!--<script>document.title='taken'</script>",
  "\"'><svg/onload=document.title='taken'>",
  "{{constructor.constructor('document.title=1')()}}",
  "javascript:document.title='taken'",
  "\u202egnp.exe\u2028__proto__",
];

const NO_BROWSER = spawnSync(BROWSER, ["--version"]).status === 0 ? undefined : `${BROWSER} is not installed`;
if (NO_BROWSER !== undefined && process.env["UCIPROV_REQUIRE_REAL"] === "1") throw new Error(NO_BROWSER);

let browser: Browser;
let folder: string;
let page: string;

beforeAll(async () => {
  if (NO_BROWSER) return;
  folder = mkdtempSync(join(tmpdir(), "uciprov-page-"));
  makeFleet(folder, 300);
  const sites = HOSTILE.map((text, n) =>
    JSON.stringify({
      mac: `06000000000${n}`,
      hostname: `evil-${n}`,
      board: "acme,r1",
      model: text,
      site: "site-1",
      group: "group-1",
      note: text,
    }),
  );
  const honest = Array.from({ length: 300 }, (_, n) =>
    JSON.stringify({
      mac: `${(0x02_00_00_00_00_00 + n).toString(16).padStart(12, "0")}`,
      hostname: `ap-${n}`,
      board: `acme,r${n % 8}`,
      model: `Acme R${n % 8}`,
      site: `site-${n % 40}`,
      group: `group-${n % 5}`,
    }),
  );
  writeFileSync(join(folder, "inventory.json"), `[${[...sites, ...honest].join(",")}]`);
  writeFileSync(
    join(folder, "after/evil-0.uci"),
    "package system\n\nconfig system\n\toption notes '</script><img src=x onerror=document.title=1>'\n",
  );
  writeFileSync(join(folder, "after/evil-1.uci"), "package system\nconfig </script><img src=x onerror=alert(1)>\n");
  for (let n = 0; n < 30; n++)
    writeFileSync(
      join(folder, `after/ap-${n + 100}.uci`),
      `package system\n\nconfig system\n\toption notes 'desk ${n}'\n`,
    );
  page = join(folder, "page.html");
  const ended = await start([
    "tree",
    "plan",
    join(folder, "after"),
    "--against",
    join(folder, "before"),
    "--inventory",
    join(folder, "inventory.json"),
    "--from",
    join(folder, "root"),
    "--format",
    "html",
    "--out",
    page,
  ]);
  expect(ended, ended.stderr + ended.stdout).toMatchObject({ status: 5, stdout: "" });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const SCREENS = [
  { name: "desk by day", width: 1200, height: 900 },
  { name: "phone by night", width: 390, height: 844, isDark: true, isPhone: true },
];

test.skipIf(NO_BROWSER).each(SCREENS)("it is whole, quiet and harmless: $name", async ({ name, ...screen }) => {
  const tab = await open(screen);
  expect(tab.requests.length).toBe(1);
  expect(tab.complaints).toEqual([]);
  await openEverything(tab);
  await tab.value(
    "document.querySelector('#by').value = ':model', document.querySelector('#by').dispatchEvent(new Event('change'))",
  );
  await openEverything(tab);
  expect(await tab.value("document.title")).toBe("tree, what changes");
  expect(
    await tab.value("document.querySelectorAll('img, svg, iframe, object, [onerror], [onload], [style]').length"),
  ).toBe(0);
  expect(await tab.value("document.querySelectorAll('script').length")).toBe(2);
  const text = String(await tab.value("document.body.innerText"));
  for (const hostile of HOSTILE) expect(text).toContain(hostile.replace(/[\u202e\u2028]/g, "\ufffd"));
  expect(text).not.toMatch(/[\u202e\u2028]/);
  expect(tab.requests.length).toBe(1);
  expect(tab.complaints).toEqual([]);
  expect(await tab.value("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
  await keep(tab, name);
});

test.skipIf(NO_BROWSER)("its policy runs nothing else, even if something got in", async () => {
  const tab = await open();
  await tab.value(
    `document.body.insertAdjacentHTML("beforeend", "<img src=http://127.0.0.1:9/x onerror=document.title='taken'><style>body{display:none}</style>")`,
  );
  await tab.value(
    `(function () { var s = document.createElement("script"); s.textContent = "document.title = 'taken'"; document.body.append(s); })()`,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await tab.value("document.title")).toBe("tree, what changes");
  expect(await tab.value("getComputedStyle(document.body).display")).toBe("block");
  expect(tab.complaints.filter((one) => one.includes("Content Security Policy")).length).toBeGreaterThanOrEqual(3);
});

test.skipIf(NO_BROWSER)("keys alone are enough: search, narrow down, open, look at the devices, clear", async () => {
  const tab = await open();
  await tab.press("/");
  expect(await tab.value("document.activeElement.id")).toBe("search");
  await tab.type("ap-103");
  await settled(tab);
  expect(await tab.value("document.querySelector('[role=status]').textContent")).toMatch(/^1 device in [12] changes?$/);
  await tab.press("Tab");
  await tab.press("Tab");
  expect(await tab.value("document.activeElement.tagName")).toBe("SUMMARY");
  await tab.press("Tab");
  await tab.press("Enter");
  expect(await tab.value("document.activeElement.parentElement.open")).toBe(true);
  await settled(tab);
  expect(await tab.value("document.querySelector('.devices').innerText")).toMatch(/ap-103/);
  expect(await tab.value("document.querySelectorAll('.devices li').length")).toBe(1);
  await tab.press("Escape");
  await settled(tab);
  expect(await tab.value("document.querySelector('#search').value")).toBe("");
});

test.skipIf(NO_BROWSER)("by site: each site has its own, and many devices come in portions", async () => {
  const tab = await open();
  await tab.value(
    "document.querySelector('#by').value = ':site', document.querySelector('#by').dispatchEvent(new Event('change'))",
  );
  const blocks = await tab.value(
    "[...document.querySelectorAll('#list > details > summary')].filter((one) => !one.innerText.includes('invalid')).map((one) => one.innerText.replace(/\\s+/g, ' '))",
  );
  expect(blocks).toHaveLength(40);
  expect(blocks).toContainEqual(expect.stringMatching(/^site-3 .*[2-4] changes$/));
  await tab.value(
    "document.querySelector('#by').value = '', document.querySelector('#by').dispatchEvent(new Event('change'))",
  );
  await openEverything(tab);
  expect(
    await tab.value("Math.max(...[...document.querySelectorAll('.devices')].map((one) => one.children.length))"),
  ).toBe(200);
  await tab.value("[...document.querySelectorAll('button')].find((one) => one.innerText.includes('more')).click()");
  expect(
    await tab.value("Math.max(...[...document.querySelectorAll('.devices')].map((one) => one.children.length))"),
  ).toBeGreaterThan(290);
});

test.skipIf(NO_BROWSER)("what is another for each device stands on one line until it is opened", async () => {
  const tab = await open();
  await tab.value("[...document.querySelectorAll('#list > details')].forEach((one) => { one.open = true; })");
  await settled(tab);
  const lines = await tab.value(
    "[...document.querySelectorAll('details details > summary')].map((one) => one.innerText.replace(/\\s+/g, ' '))",
  );
  expect(lines).toContain("system.@system[0].notes 31 different changes 31 devices");
  await openEverything(tab);
  expect(await tab.value("document.body.innerText.includes('desk 29')")).toBe(true);
});

async function open(screen?: Parameters<Browser["open"]>[1]): Promise<Tab> {
  const tab = await browser.open(pathToFileURL(page).href, screen);
  await settled(tab);
  return tab;
}

/** The search waits for a pause in the typing. */
async function settled(tab: Tab): Promise<void> {
  await tab.value("new Promise((resolve) => setTimeout(resolve, 250))");
}

async function openEverything(tab: Tab): Promise<void> {
  for (let depth = 0; depth < 3; depth++) {
    await tab.value("document.querySelectorAll('details:not([open])').forEach((one) => { one.open = true; })");
    await settled(tab);
  }
}

/** UCIPROV_SHOTS names a folder for who wants to look. */
async function keep(tab: Tab, name: string): Promise<void> {
  const shots = process.env["UCIPROV_SHOTS"];
  const png = await tab.screenshot();
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  if (shots === undefined) return;
  mkdirSync(shots, { recursive: true });
  writeFileSync(join(shots, `${name.replaceAll(" ", "-")}.png`), png);
}
