import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";

import { daemonRuntime } from "../../../src/daemon/daemon-runtime.ts";

export type Service = { name: string; argv: string[] };
/** One supervisor that is measured: how it is told what to run, how it is started, asked and ended. */
export type Contender = {
  name: string;
  /** What has to be on the PATH; where it is not, the contender is left out. */
  needs: string;
  prepare: (
    directory: string,
    services: readonly Service[],
  ) => { start: string[]; status: string[]; env?: Record<string, string> };
};

const script = (path: string, argv: readonly string[]) => {
  writeFileSync(path, `#!/bin/sh\nexec ${argv.map(quoted).join(" ")}\n`);
  chmodSync(path, 0o755);
};
const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** runit and s6 watch a directory of directories, each with a `run`. */
function scanDirectory(directory: string, services: readonly Service[]): string {
  const scanned = `${directory}/scan`;
  mkdirSync(scanned);
  for (const { name, argv } of services) {
    // The directory is complete before it is seen.
    mkdirSync(`${directory}/sv/${name}`, { recursive: true });
    script(`${directory}/sv/${name}/run`, argv);
    symlinkSync(`${directory}/sv/${name}`, `${scanned}/${name}`);
  }
  return scanned;
}

export const contenders: readonly Contender[] = [
  {
    name: "dinit",
    needs: "dinit",
    prepare(directory, services) {
      mkdirSync(`${directory}/dinit.d`);
      for (const { name, argv } of services) {
        script(`${directory}/${name}.sh`, argv);
        writeFileSync(
          `${directory}/dinit.d/${name}`,
          `type = process\ncommand = ${directory}/${name}.sh\nrestart = yes\nrestart-limit-count = 1000\nlogfile = ${directory}/${name}.log\n`,
        );
      }
      const lines = services.map(({ name }) => `depends-on = ${name}`);
      writeFileSync(`${directory}/dinit.d/boot`, `type = internal\n${lines.join("\n")}\n`);
      const socket = `${directory}/dinitctl`;
      return {
        start: ["dinit", "-d", `${directory}/dinit.d`, "-p", socket, "-q"],
        status: ["dinitctl", "-p", socket, "list"],
      };
    },
  },
  {
    name: "runit",
    needs: "runsvdir",
    prepare(directory, services) {
      const scanned = scanDirectory(directory, services);
      return {
        start: ["runsvdir", "-P", scanned],
        status: ["sv", "status", ...services.map(({ name }) => `${scanned}/${name}`)],
      };
    },
  },
  {
    name: "s6",
    needs: "s6-svscan",
    prepare(directory, services) {
      const scanned = scanDirectory(directory, services);
      const each = services.map(({ name }) => `s6-svstat ${scanned}/${name}`).join("; ");
      return { start: ["s6-svscan", scanned], status: ["/bin/sh", "-c", each === "" ? ":" : each] };
    },
  },
  {
    name: "supervisord",
    needs: "supervisord",
    prepare(directory, services) {
      const socket = `${directory}/supervisor.sock`;
      const config = `${directory}/supervisord.conf`;
      const programs = services.map(({ name, argv }) => {
        script(`${directory}/${name}.sh`, argv);
        return `[program:${name}]\ncommand=${directory}/${name}.sh\nautorestart=true\nredirect_stderr=true\nstdout_logfile=${directory}/${name}.log\n`;
      });
      writeFileSync(
        config,
        `[unix_http_server]\nfile=${socket}\n[supervisord]\nnodaemon=true\nlogfile=${directory}/log\npidfile=${directory}/pid\nminfds=4096\n` +
          `[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n` +
          `[supervisorctl]\nserverurl=unix://${socket}\n${programs.join("")}`,
      );
      return {
        start: ["supervisord", "-n", "-c", config],
        status: ["supervisorctl", "-c", config, "status"],
      };
    },
  },
  {
    name: "pm2",
    needs: "pm2-runtime",
    prepare(directory, services) {
      const apps = services.map(({ name, argv }) => {
        script(`${directory}/${name}.sh`, argv);
        return {
          name,
          script: `${directory}/${name}.sh`,
          interpreter: "none",
          out_file: `${directory}/${name}.log`,
          max_restarts: 1000,
        };
      });
      writeFileSync(`${directory}/apps.json`, JSON.stringify({ apps }));
      const env = { PM2_HOME: `${directory}/pm2` };
      return { start: ["pm2-runtime", "start", `${directory}/apps.json`], status: ["pm2", "jlist"], env };
    },
  },
];

/** Ours, alone in a small program. */
export function ours(program: string): Contender {
  return {
    name: "aurora",
    needs: program,
    prepare(directory, services) {
      writeFileSync(`${directory}/services.json`, JSON.stringify(services));
      // As commands and the systemd unit start the daemon.
      return { start: [program, directory], status: [program, directory, "status"], env: daemonRuntime };
    },
  };
}
