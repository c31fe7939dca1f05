/** Prints BYTES in numbered lines of 100 bytes, one write(2) each, and says on PIPE how many milliseconds that took. */
import { appendFileSync, writeSync } from "node:fs";

const [bytes = "0", pipe = "/dev/null", name = "log"] = process.argv.slice(2);
const LINE_BYTES = 100;
const line = Buffer.alloc(LINE_BYTES, "x");
line[LINE_BYTES - 1] = 10;
const started = performance.now();
for (let number = 0; number < Number(bytes) / LINE_BYTES; number++) {
  line.write(String(number).padStart(12, "0"), "latin1");
  writeSync(1, line);
}
appendFileSync(pipe, `${name} ${Math.round((performance.now() - started) * 1000)}\n`);
setTimeout(() => {}, 2 ** 31 - 1);
