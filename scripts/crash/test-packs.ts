import { chmodSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";

/** Enough for a second thread, and for one flush of the whole file system instead of one for each file. */
const LARGE_BYTES = 33 * 1024 ** 2;
const LARGE_FILES = 210;

type Pack = { id: string; version: string; needs?: string[]; snapshot?: boolean };

/**
 * Writes the packs that the crash test works with: shell scripts that leave one process running, count their starts in the
 * data, and write a file of their version there, so that data which was not put back is seen.
 *
 * @returns the directory, in which each pack is found by its id; the older `alpha` is `alpha-1`
 */
export function writeTestPacks(directory: string): string {
  writePack(`${directory}/alpha-1`, { id: "alpha", version: "1.0.0", snapshot: true });
  writePack(`${directory}/alpha`, { id: "alpha", version: "2.0.0", snapshot: true });
  writePack(`${directory}/beta`, { id: "beta", version: "1.0.0" });
  writePack(`${directory}/gamma`, { id: "gamma", version: "1.0.0", needs: ["alpha", "beta"] });
  const large = `${directory}/large`;
  writePack(large, { id: "large", version: "1.0.0" });
  for (let file = 0; file < LARGE_FILES; file++) writeFileSync(`${large}/file-${file}`, `${file}\n`);
  truncateSync(`${large}/content`, LARGE_BYTES);
  return directory;
}

/** Numbers come back, and soon where much is crashed: with when it began a process is not taken for another, and killed. */
function bornOf(pid: string): string {
  return `read -r stat < /proc/${pid}/stat\nset -- $stat\nborn=\${22}`;
}

function writePack(directory: string, { id, version, needs = [], snapshot = false }: Pack): void {
  mkdirSync(directory, { recursive: true });
  const script = (name: string, body: string) => {
    writeFileSync(`${directory}/${name}.sh`, `#!/bin/sh\nset -eu\n${body}\n`);
    chmodSync(`${directory}/${name}.sh`, 0o755);
  };
  script("install", ": > data/installed");
  // In the middle of its execve(2) a process has no environment to be known by: nobody may look for it before that is over.
  const isThere = `{ read -r name < /proc/$pid/cmdline || :; } && [ "\${name#sleep}" != "$name" ]`;
  script(
    "start",
    `: > data/was-${version}\nsleep 600 &\npid=$!\nuntil ${isThere}; do :; done\n${bornOf("$pid")}\necho "$pid $born" > data/pid`,
  );
  const isOwn = `read -r pid since < data/pid\n${bornOf("$pid")}\n[ "$born" = "$since" ]`;
  script("stop", `${isOwn}\nkill "$pid"`);
  script("health", isOwn);
  writeFileSync(`${directory}/content`, `${id} ${version}\n`);
  writeFileSync(
    `${directory}/manifest.yaml`,
    [
      "schema_version: aurora-manifest-v1",
      "pack:",
      `  id: ${id}`,
      `  name: ${id}`,
      `  version: ${version}`,
      "  entrypoint: { install: install.sh, start: start.sh, stop: stop.sh, health: health.sh }",
      `  dependencies: [${needs.map((other) => `{ pack_id: ${other}, version_constraint: ">=1.0.0" }`).join(", ")}]`,
      `  safety: { dry_run_supported: ${id === "beta"}, operator_approval_required: false, health_check_timeout_seconds: 30 }`,
      "  health: { deadline_seconds: 30, interval_seconds: 0.1 }",
      `  data: { snapshot: ${snapshot} }`,
      "",
    ].join("\n"),
  );
}
