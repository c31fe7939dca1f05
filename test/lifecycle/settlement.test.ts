/** What recovery decides about an open transaction, from what is recorded. */
import { describe, expect, test } from "bun:test";

import { confirmationLeftMs } from "../../src/lifecycle/confirmation.ts";
import { settlementOf } from "../../src/lifecycle/settlement.ts";
import { type JournalStatus, type TransactionState } from "../../src/registry/transactions.ts";

const started = { bootId: "a", uptimeMs: 1000 };
const confirm = JSON.stringify({ within_ms: 60_000, started, started_at: "2026-01-01T00:00:00.000Z" });
const decide = (
  row: { state: TransactionState; finished_at?: string; confirm?: string },
  journal: JournalStatus[],
  boot = started,
  now = "2026-01-01T00:00:30.000Z",
) =>
  settlementOf(
    { finished_at: null, confirm: null, ...row },
    journal.map((status) => ({ step: 0, status })),
    boot,
    new Date(now),
  );

describe("settlement", () => {
  test("what has ended is only cleaned up", () => {
    expect(decide({ state: "committed", finished_at: "2026-01-01T00:00:00Z" }, ["done"])).toBe("clean-up");
    expect(decide({ state: "rolled-back", finished_at: "2026-01-01T00:00:00Z" }, ["abort"])).toBe("clean-up");
  });

  test("what was interrupted before its commit goes back", () => {
    expect(decide({ state: "running" }, [])).toBe("abort");
    expect(decide({ state: "running" }, ["begin", "done"])).toBe("abort");
  });

  test("what was going back goes on, without a second abort", () => {
    expect(decide({ state: "running" }, ["begin", "failed"])).toBe("go-on");
    expect(decide({ state: "running" }, ["begin", "abort", "undo-begin"])).toBe("go-on");
  });

  test("what may still be confirmed waits until it is out of time", () => {
    const row = { state: "unconfirmed", confirm } as const;
    expect(decide(row, ["done"])).toBe("wait");
    expect(decide(row, ["done"], { bootId: "a", uptimeMs: 60_999 })).toBe("wait");
    expect(decide(row, ["done"], { bootId: "a", uptimeMs: 61_000 })).toBe("abort");
  });

  test("the wall clock does not move the deadline within one boot", () => {
    const row = { state: "unconfirmed", confirm } as const;
    expect(decide(row, ["done"], started, "2027-01-01T00:00:00Z")).toBe("wait");
    expect(decide(row, ["done"], { bootId: "a", uptimeMs: 61_000 }, "2025-01-01T00:00:00Z")).toBe("abort");
  });

  test("after a reboot the later of both clocks counts", () => {
    const row = { state: "unconfirmed", confirm } as const;
    expect(decide(row, ["done"], { bootId: "b", uptimeMs: 10_000 })).toBe("wait");
    expect(decide(row, ["done"], { bootId: "b", uptimeMs: 10_000 }, "2026-01-01T00:01:00Z")).toBe("abort");
    expect(decide(row, ["done"], { bootId: "b", uptimeMs: 60_000 }, "2025-01-01T00:00:00Z")).toBe("abort");
  });

  test("who watches knows how long to wait, also after a reboot", () => {
    const left = (boot: typeof started, now: string) => confirmationLeftMs({ confirm }, boot, new Date(now));
    expect(left({ bootId: "a", uptimeMs: 1500 }, "2027-01-01T00:00:00Z")).toBe(59_500);
    expect(left({ bootId: "b", uptimeMs: 10_000 }, "2026-01-01T00:00:30Z")).toBe(30_000);
    expect(left({ bootId: "b", uptimeMs: 10_000 }, "2025-01-01T00:00:00Z")).toBe(50_000);
    expect(left({ bootId: "b", uptimeMs: 10_000 }, "2027-01-01T00:00:00Z")).toBe(0);
  });

  test("a rollback that has begun is not called off by a deadline that seems to be ahead again", () => {
    const row = { state: "unconfirmed", confirm } as const;
    expect(decide(row, ["done", "abort"], { bootId: "b", uptimeMs: 5000 }, "2025-01-01T00:00:00Z")).toBe(
      "go-on",
    );
  });
});
