/** Cuts a text to a width in columns. What a service prints may hold anything: nothing of it may move the cursor. */
export function fit(text: string, columns: number): string {
  const clean = text.replaceAll("\t", " ").replaceAll(/\p{Cc}/gu, "·");
  if (Bun.stringWidth(clean) <= columns) return clean;
  let width = 0;
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(clean)) {
    width += Bun.stringWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}
