import { type GenericSchema } from "valibot";

import * as schema from "./api-schema.ts";

type Parameter = { name: string; in: "query" | "header"; description: string; many?: boolean };

export type Route = {
  method: "GET" | "POST";
  /** `{pack_id}` stands for one segment. */
  path: string;
  summary: string;
  parameters?: readonly Parameter[];
  body?: GenericSchema;
  /** What a success is: JSON of this schema, or text of this type. */
  answer:
    GenericSchema | "text/event-stream" | "text/plain; version=0.0.4; charset=utf-8" | "application/json";
};

const lastEventId: Parameter = {
  name: "Last-Event-ID",
  in: "header",
  description: "Go on after this event; without it the stream begins with what happens from now on.",
};

/**
 * All that the daemon answers: dispatch, the OpenAPI description and the documentation are made of this table. Paths mirror
 * the commands. Those below /v1/services are for commands that hold the home's lock already.
 */
export const routes = {
  status: {
    method: "GET",
    path: "/v1/status",
    summary: "The state of the packs, as aurora status prints it",
    parameters: [{ name: "pack", in: "query", description: "Only these packs.", many: true }],
    answer: schema.packStatuses,
  },
  pack: {
    method: "GET",
    path: "/v1/packs/{pack_id}",
    summary: "The state of one pack",
    answer: schema.packStatus,
  },
  startPack: {
    method: "POST",
    path: "/v1/packs/{pack_id}/start",
    summary: "Start a pack, as aurora start does",
    answer: schema.actedPack,
  },
  stopPack: {
    method: "POST",
    path: "/v1/packs/{pack_id}/stop",
    summary: "Stop a pack, as aurora stop does",
    body: schema.dependentsRequest,
    answer: schema.actedPack,
  },
  restartPack: {
    method: "POST",
    path: "/v1/packs/{pack_id}/restart",
    summary: "Stop a pack and start it, as aurora restart does",
    body: schema.dependentsRequest,
    answer: schema.actedPack,
  },
  signalPack: {
    method: "POST",
    path: "/v1/packs/{pack_id}/signal",
    summary: "Send a signal to a pack's service, as aurora signal does",
    body: schema.signalRequest,
    answer: schema.signalledPack,
  },
  startService: {
    method: "POST",
    path: "/v1/services/{pack_id}/start",
    summary: "Run the service that the registry says is wanted, and answer when it is ready or has failed",
    body: schema.serviceRequest,
    answer: schema.supervisedService,
  },
  vouchService: {
    method: "POST",
    path: "/v1/services/{pack_id}/vouch",
    summary: "Take the service for healthy while it is being checked: its health gate was passed elsewhere",
    body: schema.serviceRequest,
    answer: schema.supervisedService,
  },
  stopService: {
    method: "POST",
    path: "/v1/services/{pack_id}/stop",
    summary: "Stop the service with all its processes; it is not started again",
    answer: schema.supervisedService,
  },
  events: {
    method: "GET",
    path: "/v1/events",
    summary: "What happens, as server-sent events: id, event (its kind) and data (JSON)",
    parameters: [
      { name: "pack", in: "query", description: "Only events of this pack." },
      { name: "after", in: "query", description: "As Last-Event-ID, for clients that cannot set a header." },
      lastEventId,
    ],
    answer: "text/event-stream",
  },
  daemon: {
    method: "GET",
    path: "/v1/daemon",
    summary: "The daemon itself, as aurora daemon status prints it",
    answer: schema.daemonStatus,
  },
  stopDaemon: {
    method: "POST",
    path: "/v1/daemon/stop",
    summary: "End the daemon; services go on unless they are to stop too",
    body: schema.stopRequest,
    answer: schema.accepted,
  },
  reloadDaemon: {
    method: "POST",
    path: "/v1/daemon/reload",
    summary: "Look at the home anew; with binary, become the program file as it is now",
    body: schema.reloadRequest,
    answer: schema.accepted,
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    summary: "Metrics in the text format of Prometheus",
    answer: "text/plain; version=0.0.4; charset=utf-8",
  },
  openapi: {
    method: "GET",
    path: "/v1/openapi.json",
    summary: "This description",
    answer: "application/json",
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;

type Match =
  | { route: RouteName; packId: string }
  /** The path is there, with other methods. */
  | { allowed: readonly string[] };

const table = (Object.entries(routes) as [RouteName, Route][]).map(([name, { method, path }]) => ({
  name,
  method,
  segments: path.split("/"),
}));

/** Finds the route of a request; undefined where the path is none. Pure. */
export function matchRoute(method: string, path: string): Match | undefined {
  const segments = path.split("/");
  const onPath = table.filter(
    (route) =>
      route.segments.length === segments.length &&
      route.segments.every((segment, place) =>
        segment === "{pack_id}" ? segments[place] !== "" : segment === segments[place],
      ),
  );
  if (onPath.length === 0) return undefined;
  const wanted = method === "HEAD" ? "GET" : method;
  const found = onPath.find((route) => route.method === wanted);
  if (!found)
    return {
      allowed: onPath.flatMap((route) => (route.method === "GET" ? ["GET", "HEAD"] : [route.method])),
    };
  const place = found.segments.indexOf("{pack_id}");
  return { route: found.name, packId: place === -1 ? "" : (segments[place] as string) };
}
