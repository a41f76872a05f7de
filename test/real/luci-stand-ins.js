// What a view of LuCI finds around it, as far as ours uses it, with the one habit that matters: a string inside an array becomes text, a bare one HTML.
// (openwrt/luci: modules/luci-base/htdocs/luci-static/resources/{luci,rpc,ui}.js)
// biome-ignore-all lint: it runs in a browser, as a classic script
"use strict";

const calls = [];
/** method → answer, or a function of its arguments. */
let answers = {};
const polled = [];

const dom = {
  append(node, children) {
    if (Array.isArray(children)) {
      for (const one of children) {
        if (one instanceof Node) node.appendChild(one);
        else if (one !== null && one !== undefined) node.appendChild(document.createTextNode(String(one)));
      }
    } else if (children instanceof Node) node.appendChild(children);
    else if (children !== null && children !== undefined) node.innerHTML = String(children);
  },
  content(node, children) {
    while (node.firstChild) node.removeChild(node.firstChild);
    dom.append(node, children);
  },
};

function E(tag, attributes, children) {
  const node = document.createElement(tag);
  const plain =
    typeof attributes === "object" &&
    attributes !== null &&
    !Array.isArray(attributes) &&
    !(attributes instanceof Node);
  for (const [name, value] of Object.entries(plain ? attributes : {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  dom.append(node, plain ? children : attributes);
  return node;
}

const _ = (words) => words;

const rpc = {
  declare:
    ({ object, method, params = [], expect }) =>
    (...values) => {
      const args = Object.fromEntries(params.map((name, at) => [name, values[at]]));
      calls.push([object, method, args]);
      const answer = answers[method];
      const value = typeof answer === "function" ? answer(args) : answer;
      // As rpc.js does: what is not of the expected type becomes the default.
      const fallback = expect[""];
      return Promise.resolve(typeof value === typeof fallback && value !== null ? value : fallback);
    },
};

const poll = { add: (act) => void polled.push(act) };

const ui = {
  createHandlerFn(self, act, ...args) {
    const call = typeof act === "string" ? self[act] : act;
    return (event) => Promise.resolve(call.apply(self, [...args, event]));
  },
  showModal(title, children) {
    ui.hideModal();
    document.body.appendChild(
      E("div", { id: "modal_overlay" }, [E("div", { class: "modal" }, [E("h4", {}, title), ...children])]),
    );
  },
  hideModal: () => document.getElementById("modal_overlay")?.remove(),
  addNotification: (title, children, kind) =>
    void document.body.appendChild(
      E("div", { class: `alert-message ${kind}` }, title === null ? children : [E("h4", {}, title), children]),
    ),
};

const view = { extend: (members) => members };

/** As luci.js loads a class: its `require` lines name what it is given. */
function loadView(source) {
  const modules = { view, rpc, poll, dom, ui };
  const names = [...source.matchAll(/^'require (\S+?)(?: as (\S+))?';$/gm)].map(([, name, as]) => [
    as ?? name,
    modules[name],
  ]);
  const missing = names.filter(([, module]) => module === undefined);
  if (missing.length > 0) throw new Error(`no stand-in for ${missing}`);
  return new Function(...names.map(([name]) => name), "E", "_", source)(...names.map(([, module]) => module), E, _);
}
