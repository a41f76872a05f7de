import type { ResourceRequest } from "../src/api.ts";

/** The gateway list, for every module that needs to know gateways; it is fetched once for all of them. */
export const GATEWAYS: ResourceRequest = { uri: "{base_uri}/gateways{fd}.json", size: "small" };
/** The last one that was good, where `pbx` keeps it; passwords of trunks stand in it. */
export const KEPT_GATEWAYS = "/etc/beesip/gateways.json";
