import { expect, test } from "bun:test";

import { growthOf } from "../../src/lifecycle/growth.ts";
import { type Manifest } from "../../src/manifest/schema.ts";

type Pack = Manifest["pack"];
type Parts = Partial<Pack["permissions"]> & { memory?: number; mounts?: Pack["mounts"] };

function manifest({ memory, mounts = [], ...permissions }: Parts): Manifest {
  const net = { connect: [], listen: [], udp: false };
  const pack = {
    id: "app",
    permissions: {
      read: [],
      write: [],
      run: [],
      net,
      unix: false,
      env: [],
      confinement: "best_effort",
      ...permissions,
    },
    limits: { memory_bytes: memory ?? null },
    env: { required: [] },
    mounts,
  };
  return { pack } as unknown as Manifest;
}

const host = (source: string, mode: "ro" | "rw" = "ro") => ({
  path: "/h",
  type: "host" as const,
  source,
  mode,
});
const data = (source: string, mode: "ro" | "rw" = "ro") => ({
  path: "/d",
  type: "data" as const,
  pack: "giver",
  source,
  mode,
});

test.each<[string, Parts, Parts, string[]]>([
  ["the same", { read: ["/a"], mounts: [data("/x")] }, { read: ["/a"], mounts: [data("/x")] }, []],
  ["less", { unix: true, memory: 10, mounts: [data("/x", "rw")] }, { memory: 5, mounts: [data("/x")] }, []],
  [
    "more of each kind",
    { memory: 10, confinement: "required" },
    { read: ["/a"], memory: 20, mounts: [data("/x", "rw")] },
    [
      "read /a",
      "raise the limit memory_bytes from 10 to 20",
      "run where it cannot be confined",
      "mount /x of the data of giver at /d, writable",
    ],
  ],
  [
    "a part of another pack's data",
    { mounts: [data("/x")] },
    { mounts: [data("/y")] },
    ["mount /y of the data of giver at /d"],
  ],
  [
    "a directory that could be read before",
    { read: ["/srv"] },
    { mounts: [host("/srv/a")] },
    ["mount /srv/a at /h"],
  ],
])("%s", (_name, before, after, growth) => {
  expect(growthOf({ manifest: manifest(before), allowAll: false }, manifest(after), false)).toEqual(growth);
});

test("of a pack that was not there, all that it asks for", () => {
  const asked = manifest({ unix: true, mounts: [host("/srv", "rw")] });
  expect(growthOf(undefined, asked, false)).toEqual([
    "write /srv",
    "use Unix sockets",
    "mount /srv at /h, writable",
  ]);
  expect(growthOf(undefined, manifest({}), false)).toEqual([]);
});

test("unconfined it may do anything, which is approved once; mounts are approved beside that", () => {
  const asked = manifest({ unix: true, mounts: [data("/x")] });
  const mount = "mount /x of the data of giver at /d";
  expect(growthOf(undefined, asked, true)).toEqual(["do anything (--allow-all)", mount]);
  const before = manifest({});
  expect(growthOf({ manifest: before, allowAll: true }, asked, true)).toEqual([mount]);
  expect(growthOf({ manifest: before, allowAll: false }, before, true)).toEqual([
    "do anything (--allow-all)",
  ]);
  // Confined again, it may less; what it asks for was part of everything.
  expect(growthOf({ manifest: before, allowAll: true }, before, false)).toEqual([]);
});
