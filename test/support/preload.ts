import { setDefaultTimeout } from "bun:test";

/** Tests run whole programs, on machines that may be busy: the limit only ends what hangs. */
setDefaultTimeout(60_000);
