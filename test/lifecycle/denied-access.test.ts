import { expect, test } from "bun:test";

import { deniedPaths } from "../../src/lifecycle/denied-access.ts";

test.each([
  ["touch: cannot touch '/srv/x': Read-only file system", ["/srv/x"]],
  ["/store/ab/install.sh: 3: cannot create /srv/y: Permission denied", ["/srv/y"]],
  ["PermissionError: [Errno 13] Permission denied: '/etc/shadow'", ["/etc/shadow"]],
  ["bash: /opt/tool: Permission denied\nbash: /opt/tool: Permission denied", ["/opt/tool"]],
  ["rm: cannot remove 'relative': Operation not permitted", []],
  ["cat: /data/app/file: Permission denied", []],
  ["read /srv/z, and all is well", []],
  ["", []],
])("%j", (output, paths) => expect(deniedPaths(output, ["/data/app"])).toEqual(paths));
