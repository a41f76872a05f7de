/** A body held in memory takes no more of it than its bytes, however small the chunks are that it comes in. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryBody } from "../../src/host/http/body.ts";
import type { Answer } from "../../src/host/http/exchange.ts";
import { fetchPieces } from "../../src/host/http/pieces.ts";

const SIZE = 131_072;
const ETAG = '"v1"';

/** A chunk is the parser's, and only lent: whoever held on to it would have what comes over it later. */
const lend = (bytes: Buffer, write: (chunk: Uint8Array) => void) => {
  const chunk = Buffer.from(bytes);
  write(chunk);
  chunk.fill(0);
};

describe("of a chunk its bytes are kept, and not the chunk", () => {
  test("by a body in memory, whatever the chunks' sizes are", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 50 }), (chunks) => {
        const body = memoryBody(10_000);
        body.begin({ length: undefined, tag: undefined }, "http://cfg.example/");
        for (const chunk of chunks) lend(Buffer.from(chunk), (lent) => body.write(lent));
        expect(Buffer.compare(body.finish().bytes, Buffer.concat(chunks))).toBe(0);
      }),
    );
  });

  test("by a piece that waits for its turn", async () => {
    const body = memoryBody(SIZE);
    await fetchPieces({
      most: 11,
      uri: new URL("http://cfg.example/overlay"),
      size: SIZE,
      body,
      signal: new AbortController().signal,
      async ask({ first, last }, _signal, choose) {
        if (first === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        const fields = { etag: ETAG, "content-range": `bytes ${first}-${last}/${SIZE}` };
        const answer = { status: 206, fields } as unknown as Answer;
        const sink = choose(answer);
        for (let at = first; at <= last; at += 1_024) lend(Buffer.alloc(1_024, 1 + (at % 250)), sink.write);
        return answer;
      },
    });
    const { bytes } = body.finish();
    expect(bytes.length).toBe(SIZE);
    expect(bytes.includes(0)).toBe(false);
  });
});
