import { type Paint } from "../commands/command.ts";

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** SGR colours (ECMA-48), or none. */
export function paintWith(isColored: boolean): Paint {
  const entries = Object.entries(codes).map(([name, [on, off]]) => [
    name,
    isColored ? (text: string) => `\u001b[${on}m${text}\u001b[${off}m` : (text: string) => text,
  ]);
  return Object.fromEntries(entries) as Paint;
}
