/*
 * A name on a Linux file system is any bytes but "/" and NUL. Inside the VFS it is a text in which each byte that is no part of
 * well-formed UTF-8 stands as one of the lone surrogates U+DC80 to U+DCFF, as in Python's PEP 383. Such texts come from the
 * disk only: a path that a user gives must be well-formed, so nobody can name one file in two ways.
 */

const ESCAPE = 0xdc00;
const loneByte = /\\x[0-9a-f]{2}|[\udc80-\udcff]/;

/** The text of a name as the disk has it. */
export function decodeName(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd") || Buffer.from(text).equals(bytes)) return text;
  let decoded = "";
  for (let i = 0; i < bytes.length;) {
    const length = characterLength(bytes, i);
    decoded +=
      length === 0
        ? String.fromCharCode(ESCAPE + (bytes[i] as number))
        : bytes.toString("utf8", i, i + length);
    i += Math.max(1, length);
  }
  return decoded;
}

/** What the kernel gets: the text itself where it is well-formed, else its bytes. */
export function encodeName(name: string): string | Buffer {
  if (name.isWellFormed()) return name;
  return Buffer.concat(
    Array.from(name, (character) => {
      const code = character.codePointAt(0) as number;
      return code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff
        ? Buffer.of(code - ESCAPE)
        : Buffer.from(character);
    }),
  );
}

/**
 * A name for people: on one line, without anything that moves a cursor or turns the direction of writing. What is escaped is
 * written as `\xNN` (a byte that is no UTF-8) or as `\u{N}`, and a backslash before either as `\\`, so that it can be read
 * back.
 */
export function printableName(name: string): string {
  const escaped = loneByte.test(name) || /\\u\{/.test(name) ? name.replaceAll(/\\(?=[xu\\])/g, "\\\\") : name;
  return escaped.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff
        ? `\\x${(code - ESCAPE).toString(16)}`
        : `\\u{${code.toString(16)}}`;
    },
  );
}

/** The bytes of a name that is no UTF-8 in hex, else undefined. */
export function rawNameHex(name: string): string | undefined {
  return name.isWellFormed() ? undefined : Buffer.from(encodeName(name)).toString("hex");
}

/** How many bytes the well-formed character at `at` has (The Unicode Standard, table 3-7), or 0 where there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (at + length > bytes.length) return 0;
  const character = bytes.subarray(at, at + length);
  return Buffer.from(character.toString("utf8")).equals(character) ? length : 0;
}
