/**
 * Writes ADB, the container of apk-tools 3 (its apk-v3(5)): values of 32 bits, four of them the type, the rest the value itself or where it lies. Only
 * what a package needs, all of it little-endian. Equal values are stored once, as apk-tools does, so that `apk mkpkg` makes the same bytes.
 */
const TYPE = { int: 0x1, int32: 0x2, int64: 0x3, blob8: 0x8, blob16: 0x9, blob32: 0xa, object: 0xe };
const BLOCK = { adb: 0, data: 2 };
const NULL = 0;
const HEADER = 8;
/** Longest block that a header of four bytes can say, itself included. */
const MOST_BLOCK = 0x3fffffff;

export class Adb {
  #parts = [Buffer.alloc(HEADER)];
  #length = HEADER;
  #seen = new Map();

  /** Nothing at all if it is empty. */
  blob(bytes) {
    const value = Buffer.from(bytes);
    const size = value.length;
    if (size === 0) return NULL;
    const [type, width] = size > 0xffff ? [TYPE.blob32, 4] : size > 0xff ? [TYPE.blob16, 2] : [TYPE.blob8, 1];
    const head = Buffer.alloc(width);
    head.writeUIntLE(size, 0, width);
    return word(type, this.#put(Buffer.concat([head, value]), width));
  }

  /** Up to 2^53: sizes, modes and times. */
  int(number) {
    if (number < 0x10000000) return word(TYPE.int, number);
    const wide = number >= 0x100000000;
    const bytes = Buffer.alloc(wide ? 8 : 4);
    if (wide) bytes.writeBigUInt64LE(BigInt(number));
    else bytes.writeUInt32LE(number);
    return word(wide ? TYPE.int64 : TYPE.int32, this.#put(bytes, 4));
  }

  /** Values by their number in the schema, from 1, missing ones null; or the items of a list. */
  object(values) {
    const slots = [0, ...Array.from(values, (value) => value ?? NULL)];
    while (slots.length > 1 && slots.at(-1) === NULL) slots.pop();
    if (slots.length === 1) return NULL;
    slots[0] = slots.length;
    const bytes = Buffer.alloc(4 * slots.length);
    slots.forEach((value, i) => {
      bytes.writeUInt32LE(value, 4 * i);
    });
    return word(TYPE.object, this.#put(bytes, 4));
  }

  /** A blob that shares its place with no other: what is to be filled in later. */
  hole(size) {
    const at = this.#append(Buffer.concat([Buffer.of(size), Buffer.alloc(size)]), 1);
    return { value: word(TYPE.blob8, at), at: at + 1 };
  }

  /** The whole, with its root object. */
  bytes(root) {
    const whole = Buffer.concat(this.#parts);
    whole.writeUInt32LE(root, 4);
    return whole;
  }

  #put(bytes, alignment) {
    const key = bytes.toString("latin1");
    const known = this.#seen.get(key);
    if (known !== undefined && known % alignment === 0) return known;
    const at = this.#append(bytes, alignment);
    if (known === undefined) this.#seen.set(key, at);
    return at;
  }

  #append(bytes, alignment) {
    const gap = padding(this.#length, alignment);
    const at = this.#length + gap;
    this.#parts.push(Buffer.alloc(gap), bytes);
    this.#length = at + bytes.length;
    return at;
  }
}

/** A file of this schema: the database, and then blocks of data. */
export function adbFile(schema, database, data) {
  return Buffer.concat([
    Buffer.from(`ADB.${schema}`, "latin1"),
    block(BLOCK.adb, database),
    ...data.map((one) => block(BLOCK.data, one)),
  ]);
}

function block(type, payload) {
  const size = payload.length + 4;
  if (size > MOST_BLOCK) throw new Error(`${payload.length} bytes are too much for a block of this writer`);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(type * 0x40000000 + size);
  return Buffer.concat([head, payload, Buffer.alloc(padding(size, 8))]);
}

function word(type, value) {
  if (value >= 0x10000000) throw new Error("an ADB of 256 MiB or more");
  return type * 0x10000000 + value;
}

function padding(length, alignment) {
  return (alignment - (length % alignment)) % alignment;
}
