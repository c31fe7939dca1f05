import { AuroraError } from "../../errors.ts";
import { type OwnOperation, type OwnOperations, ownOperations } from "../../lifecycle/own-operations.ts";
import { type Context } from "../command.ts";
import { checkPackId, isConfined, openForReading, withOwnOrHomeLock } from "./workspace.ts";

/** How long an answer may take beyond the wait for the home's lock, in milliseconds. */
const ANSWER_MS = 20_000;

type ResultOf<Name extends keyof OwnOperations> = ReturnType<OwnOperations[Name]["run"]>;
type Request = { operation: string; params: Record<string, unknown> };

/**
 * Does something with a pack that the pack's own scripts may do too. From such a script, confined, it goes through the channel to
 * whoever runs the script; else it is done here, a change under the home's lock.
 *
 * @throws {AuroraError} `denied` for a confined script that asks about another pack than its own
 */
export async function withOwnPack<Name extends keyof OwnOperations>(
  context: Context,
  packId: string,
  name: Name,
  params: Record<string, unknown>,
): Promise<ResultOf<Name>> {
  checkPackId(packId);
  const operation = ownOperations[name] as OwnOperation<unknown, ResultOf<Name>>;
  if (isConfined(context))
    return (await askOwn(context, packId, { operation: name, params }, operation)) as ResultOf<Name>;
  const { isChange, check, run } = operation;
  const checked = check(packId, params);
  if (isChange)
    return await withOwnOrHomeLock(context, `${name} ${packId}`, (workspace) =>
      run(workspace, packId, checked),
    );
  using workspace = await openForReading(context);
  return run(workspace, packId, checked);
}

/**
 * Where a pack's own process finds a directory of its own, which in a dry run is a copy; undefined for everybody else.
 *
 * @throws {AuroraError} `denied` for a confined script that asks about another pack than its own
 */
export function ownDirectory(
  context: Context,
  packId: string,
  variable: "AURORA_DATA_DIR" | "AURORA_LOG_DIR",
): string | undefined {
  if (isConfined(context)) refuseOther(context, packId);
  const own = context.env[variable];
  return context.env["AURORA_PACK_ID"] === packId && own?.startsWith("/") ? own : undefined;
}

function refuseOther({ env }: Context, packId: string): void {
  const own = env["AURORA_PACK_ID"];
  if (packId === own) return;
  throw new AuroraError(
    "denied",
    `cannot use "${packId}": a confined script has to do with its own pack only`,
    {
      hint: `its own is "${own}"`,
    },
  );
}

/**
 * Asks whoever runs this confined script to do something for its pack.
 *
 * @param kind whether it is a change, and whether the answer may take as long as it likes
 * @throws {AuroraError} what the other side answers; `denied` for another pack than its own
 */
export async function askOwn(
  context: Context,
  packId: string,
  request: Request,
  { isChange, isLong = false }: Pick<OwnOperation<unknown, unknown>, "isChange" | "isLong">,
): Promise<unknown> {
  refuseOther(context, packId);
  const { callChannel } = await import("../../lifecycle/channel/call-channel.ts");
  const directory = context.env["AURORA_CHANNEL"] as string;
  const timeoutMs = isLong ? Number.POSITIVE_INFINITY : context.waitMs + ANSWER_MS;
  return await callChannel(directory, request, { timeoutMs, isChange });
}

/** The pack that a confined script belongs to; undefined for everybody else. */
export function ownPackId(context: Context): string | undefined {
  return isConfined(context) ? context.env["AURORA_PACK_ID"] : undefined;
}
