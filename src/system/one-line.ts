/** For one line on a screen. */
const MAX_CHARACTERS = 200;

/** What somebody else has printed, on one line of a screen: not endlessly long, and without control characters, which would reach the terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, " ").slice(0, MAX_CHARACTERS);
}
