export function makeFleet(folder: string, count: number): void;
