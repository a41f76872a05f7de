/**
 * Bytes that come in chunks, copied into one buffer: each chunk that is kept takes some hundred bytes beside its own, and a server may send a megabyte in
 * chunks of one.
 */
export class Gathered {
  readonly #most: number;
  #buffer = Buffer.alloc(0);
  #size = 0;

  /** No more than `most` come: the buffer needs not grow beyond. */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Uint8Array): void {
    const size = this.#size + chunk.length;
    if (size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(2 * this.#buffer.length, this.#most)));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#size);
    this.#size = size;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }
}
