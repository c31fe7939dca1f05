/** Says that a program to compare with is not on this machine. */
export function skipped(name: string): undefined {
  console.error(`without ${name}: it is not on this machine`);
}
