import type { OptionDiff, SectionDiff, UciDiff } from "./diff.ts";
import { isSecretOption, maskedValue } from "./secrets.ts";

/** How a line's parts are coloured; each may return its argument as it is. */
export interface DiffPaint {
  added(text: string): string;
  removed(text: string): string;
  changed(text: string): string;
  quiet(text: string): string;
}

/**
 * The diff for people, one line an option: `network.lan.ipaddr: 192.168.1.1 → 10.0.0.1`. Values of secret options are
 * masked unless `showSecrets`; control characters are shown as escapes. Ends in a line feed unless it is empty.
 */
export function printDiff(diff: UciDiff, paint: DiffPaint, options: { readonly showSecrets?: boolean } = {}): string {
  const printer = new DiffPrinter(paint, options.showSecrets === true);
  return printer.lines(diff).join("");
}

class DiffPrinter {
  readonly #paint: DiffPaint;
  readonly #showSecrets: boolean;

  constructor(paint: DiffPaint, showSecrets: boolean) {
    this.#paint = paint;
    this.#showSecrets = showSecrets;
  }

  lines(diff: UciDiff): string[] {
    const lines: string[] = [];
    if (diff.change === "created")
      lines.push(`${this.#paint.added(`+ ${visible(diff.package)}`)} ${this.#paint.quiet("(new file)")}\n`);
    if (diff.change === "removed")
      lines.push(`${this.#paint.removed(`- ${visible(diff.package)}`)} ${this.#paint.quiet("(file removed)")}\n`);
    for (const section of diff.sections) lines.push(...this.#section(diff.package, section));
    return lines;
  }

  #section(pkg: string, section: SectionDiff): string[] {
    const path = visible(`${pkg}.${section.section}`);
    const type = visible(section.type);
    const options = section.options.map((option) => this.#option(path, option, section.change));
    switch (section.change) {
      case "added":
        return [`${this.#paint.added(`+ ${path}=${type}`)}\n`, ...options];
      case "removed":
        return [`${this.#paint.removed(`- ${path}=${type}`)}\n`, ...options];
      default: {
        const retyped = section.typeBefore === undefined ? [] : [this.#change(path, visible(section.typeBefore), type)];
        return [...retyped, ...this.#move(path, section), ...options];
      }
    }
  }

  #move(path: string, { moved }: SectionDiff): string[] {
    if (moved === undefined) return [];
    return [`${this.#paint.changed(path)}: ${this.#paint.quiet(`position ${moved.from} → ${moved.to}`)}\n`];
  }

  #option(section: string, diff: OptionDiff, of: SectionDiff["change"]): string {
    const path = `${section}.${visible(diff.option)}`;
    const before = diff.before === undefined ? undefined : this.#value(diff.option, diff.before);
    const after = diff.after === undefined ? undefined : this.#value(diff.option, diff.after);
    const mark = of === "changed" || of === "moved" ? "" : "  ";
    if (before === undefined) return `${this.#paint.added(`+ ${mark}${path}: ${after ?? ""}`)}\n`;
    if (after === undefined) return `${this.#paint.removed(`- ${mark}${path}: ${before}`)}\n`;
    return diff.items === undefined ? this.#change(path, before, after) : this.#items(path, diff, diff.items);
  }

  #change(path: string, before: string, after: string): string {
    return `${this.#paint.changed(path)}: ${this.#paint.removed(before)} → ${this.#paint.added(after)}\n`;
  }

  #items(path: string, diff: OptionDiff, items: NonNullable<OptionDiff["items"]>): string {
    const added = items.added.map((item) => this.#paint.added(`+${this.#value(diff.option, item)}`));
    const removed = items.removed.map((item) => this.#paint.removed(`-${this.#value(diff.option, item)}`));
    const all = [...removed, ...added];
    const words = all.length === 0 ? this.#paint.quiet("another order") : all.join(" ");
    return `${this.#paint.changed(path)}: ${words}\n`;
  }

  #value(option: string, value: string | readonly string[]): string {
    if (!this.#showSecrets) {
      if (isSecretOption(option)) return this.#paint.quiet("(secret)");
      value = maskedValue(value);
    }
    return typeof value === "string" ? readable(value) : `[${value.map(readable).join(", ")}]`;
  }
}

/** Quoted if it would not be clear otherwise where it begins and ends. */
function readable(value: string): string {
  return value === "" || /^\s|\s$|[,[\]"]/.test(value) ? `"${visible(value)}"` : visible(value);
}

/** No byte from outside may steer a terminal: control characters, and marks that turn the direction of text. */
export function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
