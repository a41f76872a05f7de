/** Readers of what the exchange's writers write, after the programs' own rules: not the writers turned round. */

/** asterisk: main/config.c — a comment begins at each `;` without a backslash before it; the backslash goes; spaces at both ends go. */
export function readConf(text: string): { section: string; key: string; value: string }[] {
  let section = "";
  return text.split("\n").flatMap((raw) => {
    let line = "";
    for (let at = 0; at < raw.length; at++) {
      if (raw[at] === ";") {
        if (!line.endsWith("\\")) break;
        line = line.slice(0, -1);
      }
      line += raw[at];
    }
    line = line.trim();
    if (line === "" || line.startsWith("#")) return [];
    const head = /^\[([^\]]*)\]/.exec(line)?.[1];
    if (head !== undefined) {
      section = head;
      return [];
    }
    const at = line.indexOf("=");
    if (at < 0) throw new Error(`a line without =: ${line}`);
    return [
      {
        section,
        key: line.slice(0, at).trim(),
        value: line
          .slice(at + 1)
          .replace(/^>/, "")
          .trim(),
      },
    ];
  });
}

export interface XmlNode {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlNode[];
  readonly text: string;
}

/** Strict XML 1.0 without DTDs, comments and CDATA: anything else throws. */
export function readXml(text: string): XmlNode {
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray => {
    const found = new RegExp(pattern.source, "sy");
    found.lastIndex = at;
    const match = found.exec(text);
    if (match === null) throw new Error(`no ${pattern} at ${at}: ${text.slice(at, at + 40)}`);
    at = found.lastIndex;
    return match;
  };
  const plain = (escaped: string): string => {
    if (/[<"]|&(?!(?:amp|lt|gt|quot|apos);)/.test(escaped)) throw new Error(`unescaped: ${escaped}`);
    const signs: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
    return escaped.replace(/&([a-z]+);/g, (_, name: string) => signs[name] ?? "");
  };
  const node = (): XmlNode => {
    const [, name = "", given = ""] = take(/<([A-Za-z_][\w.-]*)((?:\s+[A-Za-z_][\w-]*="[^"]*")*)\s*>/);
    const attributes = Object.fromEntries(
      [...given.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value = ""]) => [key, plain(value)]),
    );
    const children: XmlNode[] = [];
    let own = "";
    for (;;) {
      own += take(/[^<]*/)[0];
      if (text.startsWith("</", at)) break;
      children.push(node());
    }
    take(new RegExp(`</${name}>`));
    return { name, attributes, children, text: plain(own) };
  };
  take(/<\?xml version="1\.0" encoding="UTF-8"\?>\n/);
  const root = node();
  take(/\s*$/);
  return root;
}

/** All elements of that name, with what stands in them. */
export function textsOf(root: XmlNode, name: string): string[] {
  return [...(root.name === name ? [root.text] : []), ...root.children.flatMap((child) => textsOf(child, name))];
}
