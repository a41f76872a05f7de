/** An option as it stands on the command line: its letter, and its argument if it takes one. */
export interface OptionWord {
  readonly letter: string;
  readonly argument: string | undefined;
}

export interface Words {
  readonly options: readonly OptionWord[];
  /** Everything that is no option, in order: options may stand between. */
  readonly operands: readonly string[];
  /** What is wrong with the option at which reading stopped, as getopt(3) says it. */
  readonly complaint: string | undefined;
}

/** Takes options apart as getopt(3) does; in `letters` one that takes an argument is followed by `:`. */
export function splitOptions(argv: readonly string[], letters: string): Words {
  const options: OptionWord[] = [];
  const operands: string[] = [];
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      operands.push(...rest);
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    for (let cluster = word.slice(1); cluster !== ""; ) {
      const letter = cluster.charAt(0);
      cluster = cluster.slice(1);
      const at = letters.indexOf(letter);
      if (at < 0 || letter === ":") return { options, operands, complaint: `invalid option -- '${letter}'` };
      let argument: string | undefined;
      if (letters.charAt(at + 1) === ":") {
        argument = cluster === "" ? rest.shift() : cluster;
        cluster = "";
        if (argument === undefined)
          return { options, operands, complaint: `option requires an argument -- '${letter}'` };
      }
      options.push({ letter, argument });
    }
  }
  return { options, operands, complaint: undefined };
}
