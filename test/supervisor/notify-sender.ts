/**
 * A service for tests that speaks sd_notify(3): sends each argument as a message to $NOTIFY_SOCKET; "wait" waits for
 * ever, "wait-for=FILE" until a file exists; "touch=FILE" makes one.
 * $PID in a message is its own process number.
 */
import { dlopen } from "bun:ffi";
import { existsSync, writeFileSync } from "node:fs";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
});
const path = Buffer.from(process.env["NOTIFY_SOCKET"] ?? "");
if (path[0] === 0x40) path[0] = 0;
const address = Buffer.concat([Buffer.from([1, 0]), path]);
const socket = libc.socket(1, 2, 0);
for (const argument of process.argv.slice(2)) {
  if (argument === "wait") await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
  const [name, file = ""] = argument.split(/(?<=^wait-for|^touch)=/);
  if (name === "wait-for") while (!existsSync(file)) await Bun.sleep(5);
  else if (name === "touch") writeFileSync(file, "");
  else {
    const text = Buffer.from(argument.replace("$PID", String(process.pid)));
    if (libc.sendto(socket, text, text.length, 0, address, address.length) !== BigInt(text.length))
      process.exit(9);
  }
}
