import { testHome } from "./test-home.ts";

/** A home with a staged pack "app" that has these files in its VFS. */
export async function vfsHome(files: Record<string, string> = {}): Promise<ReturnType<typeof testHome>> {
  const t = testHome();
  t.write({ id: "app" });
  await t.run(["stage", "app"]);
  for (const [path, content] of Object.entries(files))
    await t.run(["vfs", "write", "app", path], { stdin: content });
  return t;
}
