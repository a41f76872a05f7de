// Opens the page as a person would, clicks, and writes what came of it into #result. `SOURCE` is the view, `HOSTILE` a text that must stay one.
// biome-ignore-all lint: it runs in a browser, as a classic script
"use strict";

const tick = () => new Promise((wake) => setTimeout(wake, 20));
const press = async (label, at = 0) => {
  const all = [...document.querySelectorAll("button")].filter((one) => one.textContent === label);
  all[at].click();
  await tick();
};
const since = (count) => calls.slice(count).map(([, method, args]) => [method, args]);
const modal = () => document.querySelector("#modal_overlay h4")?.textContent ?? null;

async function show() {
  const page = loadView(SOURCE);
  const node = await page.render(await page.load());
  document.getElementById("view").replaceChildren(node);
  await tick();
  return page;
}

async function drive() {
  const result = {};
  answers = ANSWERS;
  await show();
  result.loaded = since(0);
  result.text = document.getElementById("view").innerText;

  let mark = calls.length;
  await press("Run now");
  result.asked = modal();
  await press("Cancel");
  result.cancelled = since(mark);
  await press("Run now");
  await press("Yes");
  result.ran = since(mark);
  result.modalAfter = modal();

  mark = calls.length;
  await press("Go back");
  result.askedBack = document.querySelector("#modal_overlay")?.innerText;
  await press("Yes");
  result.wentBack = since(mark);

  mark = calls.length;
  answers = { ...ANSWERS, result: () => ({ state: "running" }) };
  await press("Show what a run would change");
  await press("Ask everybody for the URI");
  result.started = since(mark);
  await Promise.all(polled.map((act) => act()));
  result.whileRunning = document.querySelectorAll(".spinning").length;
  answers = ANSWERS;
  mark = calls.length;
  await Promise.all(polled.map((act) => act()));
  result.polled = since(mark).map(([method]) => method);
  result.diff = [...document.querySelectorAll("#uciprov-diff div")].map((one) => one.textContent);
  result.notices = [...document.querySelectorAll(".alert-message")].map((one) => one.textContent);

  mark = calls.length;
  answers = { ...ANSWERS, status: { ...ANSWERS.status, ended: "later" } };
  await Promise.all(polled.map((act) => act()));
  result.afterRun = since(mark).map(([method]) => method);

  await tick();
  result.hacked = window.hacked ?? null;
  result.elements = document.querySelectorAll(
    "#view img, #view script, #view iframe, .alert-message img, #modal_overlay img",
  ).length;

  const odd = [
    null,
    [],
    "text",
    7,
    { stages: "x", plan: [], answer: 7, generations: { a: 1 }, confirmed: [], owner: "x", state: "ended" },
  ];
  result.odd = [];
  for (const one of odd) {
    answers = Object.fromEntries(["status", "overview", "history", "result"].map((name) => [name, one]));
    polled.length = 0;
    await show();
    await Promise.all(polled.map((act) => act()));
    result.odd.push(document.querySelector("#view h2")?.textContent);
  }
  if (location.hash === "#picture") {
    answers = ANSWERS;
    await show();
  }
  return result;
}

drive()
  .catch((error) => ({ failed: String(error), stack: error?.stack }))
  .then((result) => {
    const node = document.createElement("pre");
    node.id = "result";
    node.hidden = true;
    node.textContent = JSON.stringify(result);
    document.body.appendChild(node);
  });
