// Prints the tests that a report of the test runner (JUnit's XML) calls failed, each with its file, its name and why, so that they
// stand together at the end of a long run: `bun scripts/failed-tests.ts REPORT…`.
const LINES_OF_A_REASON = 40;

const ENTITIES: Record<string, string> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

/** Text as it was before it was written as XML: https://www.w3.org/TR/xml/#sec-references */
function fromXml(text: string): string {
  return text.replace(/&#x([0-9a-f]+);|&#(\d+);|&\w+;/gi, (entity, hex?: string, decimal?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[entity] ?? entity;
  });
}

/** The value of an attribute in the text of a tag; `""` where it has none of that name. */
function attribute(tag: string, name: string): string {
  return fromXml(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}

/** What a report calls failed, a text for each. */
function* failedTests(report: string): Generator<string> {
  for (const [, test = "", inside = ""] of report.matchAll(/<testcase\b([^>]*[^/])>(.*?)<\/testcase>/gs)) {
    const failure = /<(?:failure|error)\b([^>]*)/.exec(inside)?.[1];
    if (failure === undefined) continue;
    const name = [attribute(test, "classname"), attribute(test, "name")]
      .filter((part) => part !== "")
      .join(" > ");
    const reason = attribute(failure, "message").trimEnd().split("\n");
    const more = reason.length - LINES_OF_A_REASON;
    yield [
      `${attribute(test, "file")}:${attribute(test, "line")}: ${name}`,
      ...reason.slice(0, LINES_OF_A_REASON),
      ...(more > 0 ? [`… ${more} more lines`] : []),
    ].join("\n    ");
  }
}

for (const path of Bun.argv.slice(2))
  for (const failed of failedTests(await Bun.file(path).text())) console.log(failed);
