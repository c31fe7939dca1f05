/** One word of a shell's command line: what could be taken for more than that is quoted. For hints, which are typed. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
