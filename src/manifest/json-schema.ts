import { toJsonSchema } from "@valibot/to-json-schema";

import { manifestSchema } from "./schema.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * The manifest's format as a JSON Schema, for editors and other checkers. It is draft 07, which every editor reads. What an
 * expression cannot say, such as that no name is given twice, is left to `aurora check`: all that it refuses, Aurora
 * refuses too.
 */
export function manifestJsonSchema(): Record<string, unknown> {
  const converted = toJsonSchema(manifestSchema, {
    typeMode: "input",
    errorMode: "ignore",
    target: "draft-07",
  });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Aurora manifest",
    ...(adapt(converted as Json) as Record<string, unknown>),
  };
}

/** Says what valibot's schema leaves to code: keys of the author's own, and one list of alternatives instead of two. */
function adapt(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(adapt);
  if (typeof schema !== "object" || schema === null) return schema;
  const adapted = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, adapt(value)]));
  // The fields that every pack has are what an editor is to fill in; an empty list says nothing.
  if (Array.isArray(adapted["required"]) && adapted["required"].length === 0) delete adapted["required"];
  if (adapted["additionalProperties"] === false) adapted["patternProperties"] = { "^x-": {} };
  const alternatives = adapted["anyOf"];
  if (!Array.isArray(alternatives)) return adapted;
  const first = alternatives[0] as { [key: string]: Json };
  // "This or null" around "this or that": the description and the form belong to the whole.
  if (alternatives.length === 2 && Array.isArray(first["anyOf"])) {
    const { anyOf, ...rest } = first;
    return { ...adapted, ...rest, anyOf: [...anyOf, alternatives[1] as Json] };
  }
  const { description, ...rest } = first;
  if (description === undefined) return adapted;
  return { ...adapted, description, anyOf: [rest, ...alternatives.slice(1)] };
}
