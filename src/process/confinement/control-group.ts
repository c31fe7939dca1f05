import { accessSync, constants, readFileSync } from "node:fs";

/**
 * Why this process cannot make control groups with limits of their own; null where it can: a version 2 group that is
 * delegated to it, with the controllers for memory and processes (cgroups(7), "Delegation").
 *
 * @param files where /proc/self/cgroup, /proc/self/mountinfo and the groups are, for tests: a prefix
 */
export function controlGroupReason(files = ""): string | null {
  const own = /^0::(.*)$/m.exec(read(`${files}/proc/self/cgroup`))?.[1];
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(read(`${files}/proc/self/mountinfo`));
  if (own === undefined || mount === null) return "there is no control group of version 2";
  const [, root = "/", point = ""] = mount;
  const inside = root === "/" ? own : own.slice(root.length);
  const directory = `${files}${point}${inside}`.replace(/\/$/, "");
  const controllers = read(`${directory}/cgroup.controllers`).trim().split(/\s+/);
  const missing = ["memory", "pids"].filter((name) => !controllers.includes(name));
  if (missing.length > 0) return `the controllers for ${missing.join(" and ")} are not in its control group`;
  try {
    accessSync(directory, constants.W_OK);
    accessSync(`${directory}/cgroup.procs`, constants.W_OK);
    return null;
  } catch {
    return "its control group is not delegated to this user";
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
