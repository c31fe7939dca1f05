import { toJsonSchema } from "@valibot/to-json-schema";
import { type GenericSchema, safeParse } from "valibot";

import * as schema from "./api-schema.ts";
import { type Route, routes } from "./routes.ts";

/** The description of the API, OpenAPI 3.1, made of the table of routes and the schemas that the daemon itself checks with. */
export function openApiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    const operations = (paths[route.path] ??= {});
    operations[route.method.toLowerCase()] = operationOf(name, route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Aurora daemon",
      version,
      description: "HTTP/1.1 on the Unix socket run/aurora.sock of a home, for the same user and root.",
    },
    servers: [{ url: "http://aurora" }],
    paths,
    components: { schemas: { Error: jsonSchema(schema.errorDocument) } },
  };
}

function operationOf(name: string, { path, summary, parameters = [], body, answer }: Route) {
  const packId = path.includes("{pack_id}")
    ? [{ name: "pack_id", in: "path", required: true, schema: { type: "string" } }]
    : [];
  return {
    operationId: name,
    summary,
    parameters: [
      ...packId,
      ...parameters.map(({ many, ...parameter }) => ({
        ...parameter,
        required: false,
        schema: many === true ? { type: "array", items: { type: "string" } } : { type: "string" },
      })),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !safeParse(body, {}).success,
            content: { "application/json": { schema: jsonSchema(body) } },
          },
        }),
    responses: {
      "200": { description: "Done", content: contentOf(answer) },
      default: {
        description: "It was refused or has failed: the same document that a command prints with --json",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

function contentOf(answer: Route["answer"]): Record<string, unknown> {
  if (answer === "application/json") return { [answer]: { schema: { type: "object" } } };
  if (typeof answer === "string")
    return { [answer.split(";", 1)[0] as string]: { schema: { type: "string" } } };
  return { "application/json": { schema: jsonSchema(answer) } };
}

function jsonSchema(from: GenericSchema): Record<string, unknown> {
  const { $schema: _draft, ...rest } = toJsonSchema(from, {
    target: "draft-2020-12",
    typeMode: "input",
    errorMode: "ignore",
  }) as Record<string, unknown>;
  return rest;
}
