/**
 * What a chunk gives the others stands in it as one table instead of a call of `Object.defineProperty` for each name: three hundred of them in all, which
 * every run reads and runs. They stay getters: chunks need each other in a circle, and a name's value may come later.
 */
export function exportTables() {
  return {
    name: "export-tables",
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === "chunk") chunk.code = chunk.code.replace(CALLS, (calls) => tableOf(calls));
      }
    },
  };
}

const CALL = /Object\.defineProperty\(exports,"([\w$]+)",\{enumerable:!0,get:function\(\)\{return ([\w$]+)\}\}\)/;
/** More than one, one behind the other. */
const CALLS = new RegExp(`${CALL.source}(?:,${CALL.source})+`, "g");

function tableOf(calls) {
  const getters = [...calls.matchAll(new RegExp(CALL.source, "g"))].map(([, name, value]) => `${name}:()=>${value}`);
  return `(t=>{for(let n in t)Object.defineProperty(exports,n,{enumerable:!0,get:t[n]})})({${getters.join(",")}})`;
}
