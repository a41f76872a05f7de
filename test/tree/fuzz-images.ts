import { readFileSync } from "node:fs";
import { ProvisionError } from "../../src/errors.ts";
import { imageBoards, readImageMetadata } from "../../src/tree/fwtool.ts";
import { type FuzzResult, fuzz } from "../damage.ts";
import { block, withMetadata } from "./image.ts";

/** Damaged ends of firmware images. */
export function fuzzImages(runs: number, seed: number): FuzzResult {
  const seeds = [
    readFileSync("fixtures/images/compat-1.0.bin"),
    readFileSync("fixtures/images/compat-2.0-signed.bin"),
    block(withMetadata("", { supported_devices: ["a,b"] }), 7, Buffer.from("later")),
  ];
  return fuzz(
    { seeds, runs, seed },
    (bytes) => {
      const metadata = readImageMetadata(bytes);
      if (metadata) imageBoards(metadata);
    },
    (thrown) => thrown instanceof ProvisionError && thrown.code === "IMAGE_INVALID",
  );
}
