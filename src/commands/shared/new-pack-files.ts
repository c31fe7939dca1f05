import { manifestJsonSchema } from "../../manifest/json-schema.ts";
import ignoreRules from "./new-pack/auroraignore.txt" with { type: "text" };
import healthCheck from "./new-pack/health_check.sh.txt" with { type: "text" };
import heartbeat from "./new-pack/heartbeat.sh.txt" with { type: "text" };
import install from "./new-pack/install.sh.txt" with { type: "text" };
import manifest from "./new-pack/manifest.yaml.txt" with { type: "text" };
import readme from "./new-pack/README.md.txt" with { type: "text" };
import runTests from "./new-pack/run_tests.sh.txt" with { type: "text" };
import start from "./new-pack/start.sh.txt" with { type: "text" };
import stop from "./new-pack/stop.sh.txt" with { type: "text" };

type NewFile = { name: string; content: string; mode: 0o644 | 0o755 };

/**
 * The files of a new pack: a heartbeat that starts, stops, tells its health and tests itself. The pattern is part of the
 * program, so that nothing has to be fetched.
 */
export function newPackFiles(packId: string): NewFile[] {
  const words = packId.replace(/[_-]+/g, " ").trim();
  const name = words.charAt(0).toUpperCase() + words.slice(1);
  const fill = (text: string) => text.replaceAll("{{id}}", packId).replaceAll("{{name}}", name);
  return [
    plain("manifest.yaml", fill(manifest)),
    program("install.sh", install),
    program("heartbeat.sh", heartbeat),
    program("start.sh", start),
    program("stop.sh", stop),
    program("health_check.sh", healthCheck),
    program("run_tests.sh", runTests),
    plain("README.md", fill(readme)),
    plain(".auroraignore", ignoreRules),
    plain("manifest.schema.json", `${JSON.stringify(manifestJsonSchema(), undefined, 2)}\n`),
  ];
}

function plain(name: string, content: string): NewFile {
  return { name, content, mode: 0o644 };
}

function program(name: string, content: string): NewFile {
  return { name, content, mode: 0o755 };
}
