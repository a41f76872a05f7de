/**
 * undici's own files, taken one by one: its index loads fetch, WebSocket, caches and mocks, which cost more to start than
 * everything else the run path has (docs/dependencies.md). The package has no export map; these paths hold for the version that is pinned.
 */
declare module "undici/lib/dispatcher/agent.js" {
  import { Agent } from "undici";
  export default Agent;
}

declare module "undici/lib/dispatcher/pool.js" {
  import { Pool } from "undici";
  export default Pool;
}

declare module "undici/lib/dispatcher/client.js" {
  import { Client } from "undici";
  export default Client;
}

declare module "undici/lib/dispatcher/client-h1.js" {
  /** `makeParser` is put there by the build (scripts/leave-out.mjs). */
  const connectH1: { readonly makeParser?: () => void };
  export default connectH1;
}
