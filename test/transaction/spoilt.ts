/** Ways a journal can be no journal; Node and the shell must both leave everything alone. */
export const SPOILT_JOURNALS: readonly (readonly [string, (text: string) => string])[] = [
  ["empty", () => ""],
  ["cut in half", (text) => text.slice(0, text.length >> 1)],
  ["without its end", (text) => text.replace("end=1\n", "")],
  ["without its last newline", (text) => text.slice(0, -1)],
  ["without its version", (text) => text.replace("version=1\n", "")],
  ["of a newer version", (text) => text.replace("version=1", "version=2")],
  ["in an unknown state", (text) => text.replace("state=trial", "state=dreaming")],
  ["with a key twice", (text) => `state=confirmed\n${text}`],
  ["with an id that is a path", (text) => text.replace("id=t-1", "id=../../etc")],
  ["with a window that is no number", (text) => text.replace("window=60", "window=$(reboot)")],
  ["with control characters", (text) => text.replace("fleet", "fl\u001beet")],
  ["with a line that is no pair", (text) => text.replace("end=1", "rm -rf /\nend=1")],
  ["with a service that is a path", (text) => text.replace(/^services=.*$/m, "services=../x:start")],
  ["with an act that is none", (text) => text.replace(/^services=.*$/m, "services=x:rm")],
  ["with a service without an act", (text) => text.replace(/^services=.*$/m, "services=x:start y")],
  ["with a command for a service", (text) => text.replace(/^services=.*$/m, "services=$(reboot):start")],
  ["with a command for a package", (text) => text.replace(/^packages=.*$/m, "packages=$(reboot)")],
  ["random", () => "\u0000\u0001garbage".repeat(50)],
  ["full of zeros", (text) => "\0".repeat(text.length)],
  ["far too large", (text) => text.replace("end=1", `x=${"y".repeat(20_000)}\nend=1`)],
];

/** Ways an undo list can be none. */
export const SPOILT_LISTS: readonly (readonly [string, (text: string) => string])[] = [
  ["empty", () => ""],
  ["cut in half", (text) => text.slice(0, text.length >> 1)],
  ["without its end", (text) => text.replace(/end [0-9]+\n$/, "")],
  ["missing a line", (text) => text.replace(/restore.*\n/, "")],
  ["of a newer version", (text) => text.replace("uciprov-undo 1", "uciprov-undo 2")],
  ["with an unknown verb", (text) => text.replace("\nremove ", "\neval ")],
  ["with a number that is a path", (text) => text.replace(/\nrestore [0-9]+ /, "\nrestore ../1 ")],
  ["leading out", (text) => text.replace("/etc/old\n", "/etc/../../old\n")],
  ["with a relative path", (text) => text.replace("/etc/old\n", "etc/old\n")],
  ["with lines after its end", (text) => `${text}remove 99 /etc/same\n`],
  ["with control characters", (text) => text.replace("/etc/old\n", "/etc/o\u0007ld\n")],
];
