/** The file of the supervisor's records. */
import { expect, test } from "bun:test";
import { appendFileSync, readFileSync, statSync, truncateSync } from "node:fs";

import { MAX_GROWTH_BYTES, RecordFile } from "../../src/supervisor/record-file.ts";
import type { ServiceRecord } from "../../src/supervisor/service-record.ts";
import { initialState } from "../../src/supervisor/service-state.ts";
import { scratch } from "../support/aurora.ts";

const record = (packId: string, generation = 1): ServiceRecord => ({
  packId,
  generation,
  serviceId: "5f0c",
  leader: { pid: 17, startTime: 42 },
  bootId: "boot",
  state: { ...initialState, phase: "running", starts: [1.5, 2.5] },
  since: "2026-01-02T03:04:05.000Z",
  logDirectory: "/logs",
});

test("the last record of each service is found again, whatever a crash tore", () => {
  using directory = scratch();
  const path = `${directory.path}/records`;
  const file = new RecordFile(path);
  file.save([record("a"), record("b")]);
  file.save([record("a", 2)]);
  file.save([record("c")]);
  file.remove("c");
  appendFileSync(path, JSON.stringify(record("a", 3)).slice(0, 40));
  expect(new RecordFile(path).load()).toEqual([record("a", 2), record("b")]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a line that a full disk has cut does not take the next one with it", () => {
  using directory = scratch();
  const path = `${directory.path}/records`;
  const file = new RecordFile(path);
  file.save([record("a")]);
  file.save([record("a", 2)]);
  truncateSync(path, statSync(path).size - 10);
  file.save([record("b")]);
  expect(new RecordFile(path).load()).toEqual([record("a"), record("b")]);
});

test("the file does not grow without end", () => {
  using directory = scratch();
  const path = `${directory.path}/records`;
  const file = new RecordFile(path);
  const { length } = JSON.stringify(record("a"));
  const count = Math.ceil((MAX_GROWTH_BYTES / length) * 3);
  for (let generation = 1; generation <= count; generation++) file.save([record("a", generation)]);
  expect(statSync(path).size).toBeLessThan(MAX_GROWTH_BYTES + length);
  expect(readFileSync(path, "utf8")).toContain(`"generation":${count},`);
  expect(new RecordFile(path).load()).toEqual([record("a", count)]);
});
