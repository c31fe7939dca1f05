import { type BaseIssue, type GenericSchema, type InferOutput, safeParse } from "valibot";

import { AuroraError, errorDocument, toAuroraError } from "../errors.ts";
import { type ActedPack } from "../lifecycle/acted-packs.ts";
import { type PackStatus } from "../lifecycle/pack-status.ts";
import { type SignalledPack } from "../lifecycle/signal-pack.ts";
import * as schema from "./api-schema.ts";
import { type EventFeed } from "./event-feed.ts";
import { type HttpRequest } from "./http/request-parser.ts";
import { type HttpResponse } from "./http/serve-http.ts";
import { matchRoute, type RouteName, routes } from "./routes.ts";

export type PackAction = "start" | "stop" | "restart";

/** What a daemon does for those who ask on its socket. */
export type DaemonActions = {
  statuses: (packIds: readonly string[]) => PackStatus[];
  act: (action: PackAction, packId: string, options?: { dependents: boolean }) => Promise<ActedPack>;
  signal: (packId: string, what: { signal: string; all: boolean }) => SignalledPack;
  startService: (packId: string, generation: number) => Promise<schema.SupervisedService>;
  vouchService: (packId: string, generation: number) => Promise<schema.SupervisedService>;
  stopService: (packId: string) => Promise<schema.SupervisedService>;
  events: EventFeed;
  status: () => schema.DaemonStatus;
  /** Takes effect after the answer is on its way. */
  stop: (options: { services: boolean }) => void;
  reload: (options: { binary: boolean }) => Promise<void>;
  metrics: () => string;
};

const JSON_TYPE = "application/json";

/** Answers one request. Every refusal is the same document that a command prints with --json. */
export async function answerRequest(daemon: DaemonActions, request: HttpRequest): Promise<HttpResponse> {
  try {
    const match = matchRoute(request.method, request.path);
    if (!match)
      throw new AuroraError("not-found", `there is no "${request.path}"`, {
        hint: "GET /v1/openapi.json describes all there is",
      });
    if ("allowed" in match)
      return {
        ...refusal(new AuroraError("usage", `"${request.path}" does not know ${request.method}`), 405),
        headers: { "Content-Type": JSON_TYPE, Allow: match.allowed.join(", ") },
      };
    return await perform(daemon, match.route, match.packId, request);
  } catch (thrown) {
    const error = toAuroraError(thrown);
    if (error.code === "internal") throw thrown;
    return refusal(error, statusOf(error));
  }
}

async function perform(
  daemon: DaemonActions,
  route: RouteName,
  packId: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  switch (route) {
    case "status":
      return json(daemon.statuses(request.query.getAll("pack")));
    case "pack":
      return json(daemon.statuses([packId])[0]);
    case "startPack":
      return json(await daemon.act("start", packId));
    case "stopPack":
      return json(await daemon.act("stop", packId, bodyOf(request, schema.dependentsRequest)));
    case "restartPack":
      return json(await daemon.act("restart", packId, bodyOf(request, schema.dependentsRequest)));
    case "signalPack":
      return json(daemon.signal(packId, bodyOf(request, schema.signalRequest)));
    case "startService": {
      const { generation } = bodyOf(request, schema.serviceRequest);
      return json(await daemon.startService(packId, generation));
    }
    case "vouchService": {
      const { generation } = bodyOf(request, schema.serviceRequest);
      return json(await daemon.vouchService(packId, generation));
    }
    case "stopService":
      return json(await daemon.stopService(packId));
    case "events":
      return eventStream(daemon, request);
    case "daemon":
      return json(daemon.status());
    case "stopDaemon": {
      daemon.stop(bodyOf(request, schema.stopRequest));
      return json({ accepted: true, pid: process.pid });
    }
    case "reloadDaemon": {
      await daemon.reload(bodyOf(request, schema.reloadRequest));
      return json({ accepted: true, pid: process.pid });
    }
    case "metrics":
      return {
        status: 200,
        headers: { "Content-Type": routes.metrics.answer },
        body: daemon.metrics(),
      };
    case "openapi": {
      // It is asked for once in a daemon's life, if at all.
      const { openApiDocument } = await import("./openapi.ts");
      return json(openApiDocument(daemon.status().version));
    }
  }
}

function eventStream(daemon: DaemonActions, { query, headers }: HttpRequest): HttpResponse {
  const text = headers.get("last-event-id") ?? query.get("after") ?? undefined;
  if (text !== undefined && !/^\d{1,15}$/.test(text))
    throw new AuroraError("usage", `cannot read the event id "${text}": it is not a number`);
  const options = {
    packId: query.get("pack") ?? undefined,
    afterId: text === undefined ? undefined : Number(text),
  };
  return {
    status: 200,
    headers: { "Content-Type": routes.events.answer },
    stream: (sink) => daemon.events.follow(options, sink),
  };
}

/** A body is optional where all it says has a default. */
function bodyOf<S extends GenericSchema>({ body }: HttpRequest, wanted: S): InferOutput<S> {
  let value: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    throw new AuroraError("usage", "cannot read the body: it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new AuroraError("usage", "cannot read the body: it is no object");
  const result = safeParse(wanted, value);
  if (result.success) return result.output;
  throw new AuroraError("usage", `cannot read the body: ${faultOf(result.issues[0])}`, {
    hint: "GET /v1/openapi.json describes what it may say",
  });
}

/** Bodies have one level: a key is unknown or missing, or its value is not of the kind that it should be. */
function faultOf({ path, type, received, message }: BaseIssue<unknown>): string {
  const key = String(path?.[0]?.key);
  if (type !== "strict_object") return `"${key}": ${message}`;
  return received === "undefined" ? `"${key}" is missing` : `"${key}" is unknown`;
}

function json(value: unknown): HttpResponse {
  return { status: 200, headers: { "Content-Type": JSON_TYPE }, body: JSON.stringify(value) };
}

function refusal(error: AuroraError, status: number): HttpResponse {
  return { status, headers: { "Content-Type": JSON_TYPE }, body: JSON.stringify(errorDocument(error)) };
}

/** The document for what is no request at all, by its HTTP status. */
export function protocolErrorBody(status: number, message: string): string {
  const code = status === 403 ? "denied" : status === 408 ? "timed-out" : status >= 500 ? "failed" : "usage";
  return JSON.stringify(errorDocument(new AuroraError(status === 500 ? "internal" : code, message)));
}

const statusByExitCode: Record<number, number> = {
  2: 400,
  5: 404,
  6: 403,
  7: 422,
  8: 409,
  9: 403,
  124: 504,
};

/** The HTTP status that says the same as an exit code. */
function statusOf({ exitCode }: AuroraError): number {
  return statusByExitCode[exitCode] ?? 500;
}
