/** What the page does, as the browser gets it. It makes text nodes only: nothing of the facts ever becomes markup. */
export const SCRIPT = `"use strict";
(function () {
  var facts = JSON.parse(document.getElementById("facts").textContent);
  var PAGE = 200;
  var devices = facts.devices;

  function make(tag, attributes, children) {
    var element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    (children || []).forEach(function (child) {
      element.append(typeof child === "string" ? clean(child) : child);
    });
    return element;
  }
  /* Controls, and marks that turn the direction of text, are shown as what they are. */
  function clean(text) {
    return text.replace(/[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]/g, "\\ufffd");
  }
  function number(of) { return String(of).replace(/\\B(?=(\\d{3})+$)/g, ","); }
  function count(of) { return of === 1 ? "1 device" : number(of) + " devices"; }

  /* What devices can be gathered by. */
  var columns = ["model", "board"];
  devices.forEach(function (device) {
    Object.keys(device.macros).forEach(function (name) { if (columns.indexOf(name) < 0) columns.push(name); });
  });
  columns = columns.filter(function (name) { return devices.some(function (device) { return valueOf(device, name) !== undefined; }); });
  if (columns.indexOf("site") > 0) columns = ["site"].concat(columns.filter(function (name) { return name !== "site"; }));
  function valueOf(device, column) {
    return column === "model" || column === "board" ? device[column] : device.macros[column];
  }
  var words = devices.map(function (device) {
    return [device.name, device.mac, device.serial, device.model, device.board].concat(Object.keys(device.macros).map(function (name) { return device.macros[name]; }))
      .filter(Boolean).join("\\n").toLowerCase();
  });

  /* ---------------------------------------------------------------- the head */
  function treeWords(tree) {
    return [tree.tree === null ? "without a manifest" : "tree " + tree.tree, tree.serial === null ? null : "serial " + tree.serial, tree.date, number(tree.files) + (tree.files === 1 ? " file" : " files")].filter(Boolean).join(", ");
  }
  var head = document.getElementById("head");
  head.append(make("h1", {}, ["What changes with " + (facts.after.tree || "this tree") + (facts.after.serial === null ? "" : ", serial " + facts.after.serial)]));
  head.append(make("p", { "class": "dim" }, [treeWords(facts.after) + (facts.before ? "; before: " + treeWords(facts.before) : "; the devices have no tree yet")]));
  var trust = facts.after.trust;
  if (trust.verdict === "refused") head.append(make("p", { "class": "bad", role: "alert" }, ["Devices refuse this tree: " + trust.error.code + ", " + trust.error.message]));
  if (trust.verdict === "unknown") head.append(make("p", { "class": "warn" }, ["Trust was not judged: no key was given."]));
  function figure(of, what, kind) { return make("li", {}, [make("b", kind ? { "class": kind } : {}, [number(of)]), what]); }
  var c = facts.counts;
  head.append(make("ul", { "class": "numbers" }, [
    figure(c.changed, "change"), figure(c.unchanged, "stay as they are"), figure(facts.changes.length, "different changes"),
    figure(c.broken, "become invalid", c.broken > 0 ? "bad" : "good")
  ]));
  if (facts.rollout) {
    var held = facts.rollout.hours === "hold";
    var rollout = held
      ? make("p", { "class": "warn" }, ["Held: no configured device takes it."])
      : make("details", {}, [make("summary", {}, [make("span", { "class": "name" }, ["Rolled out over " + facts.rollout.hours + " hours"])])]);
    var steps = make("div", { "class": "rollout" });
    facts.rollout.steps.forEach(function (step) {
      steps.append(make("span", {}, ["after " + step.hour + " h"]), make("progress", { max: String(c.devices), value: String(step.devices), "aria-label": count(step.devices) + " after " + step.hour + " hours" }), make("span", {}, [number(step.devices)]));
    });
    if (!held) rollout.append(steps);
    head.append(rollout);
  }

  /* ---------------------------------------------------------------- the tools */
  var main = document.getElementById("main");
  var search = make("input", { type: "search", placeholder: "Search: option, value, device, MAC, site …", "aria-label": "Search", id: "search", autocomplete: "off", spellcheck: "false" });
  var by = make("select", { id: "by" }, [make("option", { value: "" }, ["package"])].concat(columns.map(function (name) { return make("option", { value: ":" + name }, [name]); })));
  var told = make("span", { "class": "dim", role: "status", "aria-live": "polite" });
  main.append(make("div", { "class": "tools" }, [search, make("label", {}, ["by", by]), told]));
  var list = make("div", { id: "list" });
  main.append(list);
  main.append(make("footer", {}, ["Press / to search, Escape to clear. This page holds all its data itself and asks no server for anything."]));

  var timer;
  search.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(show, 120); });
  by.addEventListener("change", show);
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
    if (event.key === "Escape" && search.value !== "") { search.value = ""; show(); search.focus(); }
  });

  /* ---------------------------------------------------------------- the list */
  function show() {
    var query = search.value.trim().toLowerCase();
    var hits = query === "" ? null : words.map(function (text) { return text.indexOf(query) >= 0; });
    function kept(change, texts) {
      if (hits === null) return change.devices;
      var isNamed = texts.some(function (text) { return text !== null && text.toLowerCase().indexOf(query) >= 0; });
      return isNamed ? change.devices : change.devices.filter(function (at) { return hits[at]; });
    }
    var changes = facts.changes.map(function (change) {
      return { change: change, devices: kept(change, [change.subject, change.before, change.after]) };
    }).filter(function (one) { return one.devices.length > 0; });
    var invalid = facts.invalid.map(function (one) {
      return { invalid: one, devices: kept(one, [one.code, one.message]) };
    }).filter(function (one) { return one.devices.length > 0; });

    list.replaceChildren();
    invalid.forEach(function (one) { list.append(invalidBlock(one)); });
    var column = by.value === "" ? null : by.value.slice(1);
    var blocks = column === null ? byPackage(changes) : byColumn(changes, column);
    blocks.forEach(function (block, at) { list.append(outer(block, blocks.length <= 3 || (hits !== null && at < 3))); });
    if (blocks.length + invalid.length === 0) list.append(make("p", { "class": "empty" }, [query === "" ? "Nothing changes for anybody." : "Nothing matches."]));
    told.textContent = query === "" ? "" : count(distinct(changes.concat(invalid))) + " in " + number(changes.length) + " changes";
  }
  function distinct(ones) {
    var seen = new Set();
    ones.forEach(function (one) { one.devices.forEach(function (at) { seen.add(at); }); });
    return seen.size;
  }
  function byPackage(changes) {
    var blocks = new Map();
    changes.forEach(function (one) {
      var name = one.change.group;
      if (!blocks.has(name)) blocks.set(name, { name: name, ones: [] });
      blocks.get(name).ones.push(one);
    });
    return sorted(blocks);
  }
  function byColumn(changes, column) {
    var blocks = new Map();
    changes.forEach(function (one) {
      var parts = new Map();
      one.devices.forEach(function (at) {
        var value = valueOf(devices[at], column);
        var name = value === undefined ? "(no " + column + ")" : value;
        if (!parts.has(name)) parts.set(name, []);
        parts.get(name).push(at);
      });
      parts.forEach(function (rows, name) {
        if (!blocks.has(name)) blocks.set(name, { name: name, ones: [] });
        blocks.get(name).ones.push({ change: one.change, devices: rows });
      });
    });
    return sorted(blocks);
  }
  function sorted(blocks) {
    var all = Array.from(blocks.values());
    all.forEach(function (block) { block.count = distinct(block.ones); block.ones.sort(function (a, b) { return b.devices.length - a.devices.length; }); });
    return all.sort(function (a, b) { return b.count - a.count || (a.name < b.name ? -1 : 1); });
  }

  /* What is inside is made when somebody looks. */
  function lazily(summary, isOpen, fill) {
    var details = make("details", {}, [summary]);
    function once() { if (details.open && details.children.length === 1) fill(details); }
    details.addEventListener("toggle", once);
    if (isOpen) { details.open = true; once(); }
    return details;
  }
  function outer(block, isOpen) {
    var summary = make("summary", {}, [make("bdi", { "class": "name" }, [block.name]), make("span", { "class": "count" }, [count(block.count) + ", " + number(block.ones.length) + (block.ones.length === 1 ? " change" : " changes")])]);
    return lazily(summary, isOpen, function (details) { more(details, bySubject(block.ones), 0, subjectOrChange); });
  }
  /* What is another for nearly every device (a name, an address) stands on one line until somebody opens it. */
  function bySubject(ones) {
    var subjects = new Map();
    ones.forEach(function (one) {
      if (!subjects.has(one.change.subject)) subjects.set(one.change.subject, []);
      subjects.get(one.change.subject).push(one);
    });
    var rows = [];
    subjects.forEach(function (values, name) { if (values.length > 8) rows.push({ name: name, values: values, devices: distinct(values) }); else values.forEach(function (one) { rows.push({ one: one, devices: one.devices.length }); }); });
    return rows.sort(function (a, b) { return b.devices - a.devices; });
  }
  function subjectOrChange(row) {
    if (row.one) return inner(row.one);
    var summary = make("summary", {}, [make("bdi", { "class": "name" }, [row.name]), make("span", { "class": "dim" }, [number(row.values.length) + " different changes"]), make("span", { "class": "count" }, [count(row.devices)])]);
    return lazily(summary, false, function (details) { more(details, row.values, 0, inner); });
  }
  function inner(one) {
    var change = one.change;
    var parts = [make("bdi", { "class": "name" }, [change.subject])];
    if (change.before !== null) parts.push(make(change.after === null ? "del" : "bdi", { "class": "value bad" }, [change.before === "" ? '""' : change.before]));
    if (change.before !== null && change.after !== null) parts.push("→");
    if (change.after !== null) parts.push(make("bdi", { "class": "value good" }, [(change.before === null ? "+ " : "") + change.after]));
    if (change.after === null) parts.push(make("span", { "class": "dim" }, ["gone"]));
    parts.push(make("span", { "class": "count" }, [count(one.devices.length)]));
    return lazily(make("summary", {}, parts), false, function (details) { details.append(deviceList(one.devices)); });
  }
  function invalidBlock(one) {
    var since = one.invalid.since === "broken" ? make("span", { "class": "name bad" }, ["becomes invalid"]) : make("span", { "class": "name warn" }, ["is still invalid"]);
    var summary = make("summary", {}, [since, make("span", { "class": "value" }, [one.invalid.code + ": " + one.invalid.message]), make("span", { "class": "count" }, [count(one.devices.length)])]);
    return lazily(summary, false, function (details) {
      (one.invalid.error.findings || []).slice(0, 20).forEach(function (finding) {
        var place = finding.place || {};
        details.append(make("p", { "class": "inside value" }, [[place.file, place.line && "line " + place.line, finding.message].filter(Boolean).join(", ")]));
      });
      details.append(deviceList(one.devices));
    });
  }
  function deviceList(rows) {
    var inside = make("div", { "class": "inside" });
    var names = make("ul", { "class": "devices" });
    inside.append(names);
    var at = 0;
    function next() {
      rows.slice(at, at + PAGE).forEach(function (row) { names.append(deviceItem(devices[row])); });
      at += PAGE;
      if (at >= rows.length) return;
      var button = make("button", { type: "button" }, ["Show " + number(Math.min(PAGE, rows.length - at)) + " more of " + number(rows.length - at)]);
      button.addEventListener("click", function () { button.remove(); next(); });
      inside.append(button);
    }
    next();
    return inside;
  }
  function deviceItem(device) {
    var more = [device.mac, device.macros.site, device.model || device.board].filter(function (text) { return text !== undefined && text !== device.name; });
    if (device.turn) more.push("takes it " + device.turn.slice(0, 16).replace("T", " ") + " UTC");
    return make("li", {}, [make("bdi", {}, [device.name]), make("small", {}, [more.join(" · ")])]);
  }
  function more(into, ones, from, item) {
    ones.slice(from, from + PAGE).forEach(function (one) { into.append(item(one)); });
    var rest = ones.length - from - PAGE;
    if (rest <= 0) return;
    var button = make("button", { type: "button" }, ["Show " + number(Math.min(PAGE, rest)) + " more of " + number(rest) + " changes"]);
    button.addEventListener("click", function () { button.remove(); more(into, ones, from + PAGE, item); });
    into.append(button);
  }
  show();
})();
`;
