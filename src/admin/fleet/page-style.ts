/** How the page looks: by day and by night, on a desk and in a hand, on paper. */
export const STYLE = `
:root { --bg: #f7f7f5; --card: #ffffff; --ink: #1d2129; --dim: #5d6675; --line: #dfe1e6; --accent: #0b57b7; --good: #136c34; --bad: #a8231b; --warn: #8a5300; --soft: #eef2f8; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #14171c; --card: #1d2129; --ink: #e6e8ec; --dim: #a0a8b5; --line: #333a45; --accent: #86b7ff; --good: #7fd49a; --bad: #ff9b92; --warn: #f0bd6a; --soft: #262c36; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main { max-width: 70rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
.dim { color: var(--dim); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.numbers li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; min-width: 7rem; flex: 1 1 7rem; }
.numbers b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.rollout { display: grid; grid-template-columns: max-content 1fr max-content; gap: .2rem .75rem; align-items: center; padding: .2rem .9rem .8rem; max-width: 36rem; font-variant-numeric: tabular-nums; }
.rollout progress { width: 100%; height: .6rem; accent-color: var(--accent); }
.tools { position: sticky; top: 0; z-index: 1; background: var(--bg); padding: .6rem 0; display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; border-bottom: 1px solid var(--line); margin-bottom: .75rem; }
input[type=search], select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .45rem .6rem; min-height: 2.6rem; }
input[type=search] { flex: 1 1 14rem; min-width: 0; }
label { display: flex; gap: .5rem; align-items: center; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .3rem; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; }
details details { border-width: 1px 0 0; border-radius: 0; margin: 0; background: none; }
summary { cursor: pointer; padding: .6rem .9rem; display: flex; flex-wrap: wrap; gap: .1rem .75rem; align-items: baseline; }
summary::before { content: "\\25B8"; color: var(--dim); width: .8em; flex: none; }
details[open] > summary::before { content: "\\25BE"; }
summary::-webkit-details-marker { display: none; }
summary .name { font-weight: 600; overflow-wrap: anywhere; }
details details > summary { padding-left: 1.6rem; }
details details details > summary { padding-left: 2.6rem; }
details details > summary .name { font-weight: 400; font-family: ui-monospace, monospace; font-size: .93rem; }
.count { margin-left: auto; color: var(--dim); white-space: nowrap; font-variant-numeric: tabular-nums; }
.value { font-family: ui-monospace, monospace; font-size: .93rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.inside { padding: .2rem .9rem .8rem 2.6rem; }
.devices { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .35rem; }
.devices li { background: var(--soft); border-radius: .35rem; padding: .3rem .55rem; overflow-wrap: anywhere; }
.devices small { display: block; color: var(--dim); }
button { font: inherit; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: .4rem; padding: .4rem .8rem; min-height: 2.6rem; cursor: pointer; margin-top: .5rem; }
.empty { padding: 2rem; text-align: center; color: var(--dim); }
pre { white-space: pre-wrap; padding: 1rem; }
footer { color: var(--dim); padding: 1rem 0 3rem; font-size: .9rem; }
@media (max-width: 32rem) { .inside { padding-left: .9rem; } details details > summary, details details details > summary { padding-left: .9rem; } .count { margin-left: 0; width: 100%; padding-left: 1.5em; } .numbers li { min-width: 40%; } }
@media print { .tools { display: none; } details { break-inside: avoid; } }
`;
