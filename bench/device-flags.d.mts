export declare const RUN_FLAGS: readonly string[];
export declare const STAY_FLAGS: readonly string[];
