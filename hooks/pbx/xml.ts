/** Writing XML for phones: elements with attributes and text. Names are ours; text is escaped, and what XML 1.0 §2.2 cannot hold refused. */
import { ProvisionError } from "../../src/api.ts";

export interface Element {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly children: string | readonly Element[];
}

export function element(
  name: string,
  children: Element["children"],
  attributes: Readonly<Record<string, string>> = {},
): Element {
  return { name, attributes, children };
}

export function printXml(root: Element): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${print(root, "")}`;
}

function print({ name, attributes = {}, children }: Element, indent: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) throw unfit(`the name ${JSON.stringify(name)}`);
  const given = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const open = `${indent}<${name}${given.join("")}>`;
  if (typeof children === "string") return `${open}${escaped(children)}</${name}>\n`;
  return `${open}\n${children.map((child) => print(child, `${indent}  `)).join("")}${indent}</${name}>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

function escaped(text: string): string {
  if (
    /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(
      text,
    )
  ) {
    throw unfit("a control character or half a character");
  }
  return text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
}

function unfit(what: string): ProvisionError {
  return new ProvisionError("PLAN_INVALID", `XML cannot hold ${what}`);
}
