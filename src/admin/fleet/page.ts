import type { FleetFacts } from "./fleet-facts.ts";
export function fleetPage(facts: FleetFacts): string {
  return JSON.stringify(facts);
}
