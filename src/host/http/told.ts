/** A URI as it may be told to people and logs: without user, password and fragment, and with the values of its query hidden. */
export function tellUri(text: string): string {
  if (!URL.canParse(text)) return JSON.stringify(text.slice(0, 200).replace(/\/\/[^/@]*@/, "//"));
  const uri = new URL(text);
  const names = [...uri.searchParams.keys()].map((name) => `${encodeURIComponent(name)}=…`);
  return `${uri.protocol}//${uri.host}${uri.pathname}${names.length > 0 ? `?${names.join("&")}` : ""}`;
}
