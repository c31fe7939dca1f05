import { buildInfo } from "../system/build-info.ts";

type Result = { version: string; commit: string; bun: string; target: string };

export function run(): Result {
  return buildInfo();
}

export function render({ version, commit, bun, target }: Result): string {
  return `aurora ${version} (${commit}, Bun ${bun}, ${target})`;
}
