import type { UciPackage, UciValue } from "./model.ts";

/** What a commit writes to /etc/config: `uci export` without the `package` line. */
export function printConfig(pkg: UciPackage): Uint8Array {
  return print(pkg, false);
}

/** What `uci export` prints for the package, byte for byte. */
export function printExport(pkg: UciPackage): Uint8Array {
  return print(pkg, true);
}

/** The inside of a single-quoted word. */
export function quoted(word: string): string {
  return word.includes("'") ? word.replaceAll("'", "'\\''") : word;
}

/** Sections. So few are printed into one string: some memory more, and much less to do for a program that has just started, whose loops are not compiled. */
const FEW = 250;

/**
 * Twice over the package, first to measure and then to write: so there is exactly one buffer and no string in between,
 * which matters for 10 MB on a small device.
 */
function print(pkg: UciPackage, hasHeader: boolean): Uint8Array {
  if (pkg.sections.length <= FEW) {
    const text = new Text();
    walk(pkg, hasHeader, text);
    return Buffer.from(text.all, "latin1");
  }
  const length = new Length();
  walk(pkg, hasHeader, length);
  const bytes = new Bytes(length.total);
  walk(pkg, hasHeader, bytes);
  return bytes.buffer;
}

interface Sink {
  /** Something without quotes. */
  plain(text: string): void;
  /** The inside of a quoted word. */
  quoted(text: string): void;
}

function walk(pkg: UciPackage, hasHeader: boolean, sink: Sink): void {
  if (hasHeader) {
    sink.plain("package ");
    sink.quoted(pkg.name);
    sink.plain("\n");
  }
  for (const { type, name, options } of pkg.sections) {
    sink.plain("\nconfig ");
    sink.quoted(type);
    if (name !== undefined) {
      sink.plain(" '");
      sink.quoted(name);
      sink.plain("'");
    }
    sink.plain("\n");
    for (const option of options) walkOption(option.name, option.value, sink);
  }
  sink.plain("\n");
}

function walkOption(name: string, value: UciValue, sink: Sink): void {
  if (typeof value === "string") line("\toption ", name, value, sink);
  else for (const item of value) line("\tlist ", name, item, sink);
}

function line(start: string, name: string, value: string, sink: Sink): void {
  sink.plain(start);
  sink.plain(name);
  sink.plain(" '");
  sink.quoted(value);
  sink.plain("'\n");
}

class Text implements Sink {
  all = "";

  plain(text: string): void {
    this.all += text;
  }

  quoted(text: string): void {
    this.all += quoted(text);
  }
}

const QUOTE = 39;
const BACKSLASH = 92;

/** From this length on the call of native code costs less than a loop. */
const LONG = 48;

class Length implements Sink {
  total = 0;

  plain(text: string): void {
    this.total += text.length;
  }

  quoted(text: string): void {
    this.total += text.length;
    if (text.length < LONG) {
      for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === QUOTE) this.total += 3;
      return;
    }
    for (let at = text.indexOf("'"); at >= 0; at = text.indexOf("'", at + 1)) this.total += 3;
  }
}

class Bytes implements Sink {
  readonly buffer: Buffer;
  private at = 0;

  constructor(length: number) {
    this.buffer = Buffer.allocUnsafe(length);
  }

  plain(text: string): void {
    const { buffer } = this;
    let { at } = this;
    if (text.length >= LONG) at += buffer.write(text, at, "latin1");
    else for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
    this.at = at;
  }

  quoted(text: string): void {
    if (text.length >= LONG) {
      this.plain(quoted(text));
      return;
    }
    const { buffer } = this;
    let { at } = this;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      buffer[at++] = code;
      if (code !== QUOTE) continue;
      buffer[at++] = BACKSLASH;
      buffer[at++] = QUOTE;
      buffer[at++] = QUOTE;
    }
    this.at = at;
  }
}
