/** A statement of a UCI file: where its first word begins, and what it says. */
export interface UciStatement {
  readonly words: readonly string[];
  readonly line: number;
  /** 1-based, in its line. */
  readonly byte: number;
}

/**
 * The statements of a text that the engine could parse, with their places, which the engine does not keep: it would pay for them on every device. Quotes,
 * escapes and comments as libuci reads them (openwrt/uci file.c, util.c). `text` is a byte string.
 */
export function uciStatements(text: string): UciStatement[] {
  const statements: UciStatement[] = [];
  let words: string[] = [];
  let start = { line: 1, byte: 1 };
  let [line, lineStart] = [1, 0];
  const end = () => {
    if (words.length > 0) statements.push({ words, ...start });
    words = [];
  };
  for (let at = 0; at < text.length; ) {
    const sign = text[at];
    if (sign === "\n") {
      end();
      at += 1;
      line += 1;
      lineStart = at;
    } else if (sign === ";") {
      end();
      at += 1;
    } else if (sign === " " || sign === "\t" || sign === "\r") {
      at += 1;
    } else if (sign === "#") {
      const feed = text.indexOf("\n", at);
      at = feed < 0 ? text.length : feed;
    } else {
      if (words.length === 0) start = { line, byte: at - lineStart + 1 };
      const { word, next } = readWord(text, at);
      words.push(word);
      for (let feed = text.indexOf("\n", at); feed >= 0 && feed < next; feed = text.indexOf("\n", feed + 1)) {
        line += 1;
        lineStart = feed + 1;
      }
      at = next;
    }
  }
  end();
  return statements;
}

function readWord(text: string, from: number): { readonly word: string; readonly next: number } {
  let word = "";
  let at = from;
  for (; at < text.length; ) {
    const sign = text[at] ?? "";
    if (sign === "'" || sign === '"') {
      const { inside, next } = readQuoted(text, at + 1, sign);
      word += inside;
      at = next;
    } else if (sign === "\\") {
      word += text[at + 1] ?? "";
      at += 2;
    } else if (/[ \t\r\n;]/.test(sign)) {
      break;
    } else {
      word += sign;
      at += 1;
    }
  }
  return { word, next: Math.min(at, text.length) };
}

function readQuoted(text: string, from: number, quote: string): { readonly inside: string; readonly next: number } {
  let inside = "";
  for (let at = from; at < text.length; at += 1) {
    const sign = text[at] ?? "";
    if (sign === quote) return { inside, next: at + 1 };
    if (sign === "\\" && quote === '"') {
      at += 1;
      if (text[at] !== "\n") inside += text[at] ?? "";
    } else inside += sign;
  }
  return { inside, next: text.length };
}
