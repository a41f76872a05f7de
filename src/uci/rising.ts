/** The positions of a longest rising choice among the numbers, `undefined` ones left out. Takes n log n time. */
export function longestRising(numbers: readonly (number | undefined)[]): number[] {
  /** The position of the smallest end of a rising choice of each length. */
  const ends: number[] = [];
  const before: (number | undefined)[] = [];
  numbers.forEach((number, i) => {
    if (number === undefined) return;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[ends[middle] ?? 0] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    before[i] = low === 0 ? undefined : ends[low - 1];
    ends[low] = i;
  });
  const chosen: number[] = [];
  for (let i = ends.at(-1); i !== undefined; i = before[i]) chosen.push(i);
  return chosen.reverse();
}
