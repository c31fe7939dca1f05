import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";

import { prepareConfinement } from "../../../src/process/confinement/confine.ts";
import { type KernelFeatures, probeKernel, withReExec } from "../../../src/process/confinement/kernel.ts";
import { packUser } from "../../../src/process/confinement/pack-user.ts";
import { type Policy } from "../../../src/process/confinement/policy.ts";
import { run } from "../../../src/process/run.ts";
import { confinedHome, policyIn } from "./confined-home.ts";

/** What scripts do every day, each run by `sh` in an empty directory of the pack's data. It works, or `why` says why not. */
const commands: [needs: string, script: string, why?: string][] = [
  ["sh", "echo hello"],
  ["bash", "bash -c 'for i in {1..3}; do echo $i; done | tail -1'"],
  ["bash", "bash -c 'cat <(echo substituted)'"],
  ["bash", "bash -c 'read -r x <<< here; echo $x'"],
  ["ls", "ls -la /etc /usr/bin >list && test -s list"],
  ["ls", "ls /", "to list / would be to list everything below it"],
  ["cat", "echo x > a && cat a /etc/hostname /etc/passwd"],
  ["cp", "echo x > a && cp -p a b && cmp a b"],
  ["mv", "echo x > a && mkdir d && mv a d/b && test -f d/b"],
  ["ln", "echo x > a && ln -s a b && ln a c && cat b c"],
  ["rm", "mkdir -p a/b/c && rm -r a && test ! -e a"],
  ["chmod", "echo x > a && chmod 640 a && test $(stat -c %a a) = 640"],
  ["chmod", "mkdir a && chmod 2775 a", "no set-id bits, not even on directories"],
  ["touch", "touch -d '2020-01-01' a && test $(date -r a +%Y) = 2020"],
  ["install", "echo x > a && install -m 755 -D a bin/a && test -x bin/a"],
  ["dd", "dd if=/dev/zero of=a bs=1k count=4 2>/dev/null && test $(stat -c %s a) = 4096"],
  ["head", "head -c 8 /dev/urandom | od -An -tx1"],
  ["sort", "printf 'b\\na\\n' | sort | head -1 | grep -q a"],
  ["sort", "seq 200000 | sort -R -S 1M | sort -n -S 1M | tail -1 | grep -q 200000"],
  ["uniq", "printf 'a\\na\\n' | uniq -c | grep -q '2 a'"],
  ["awk", "echo 1 2 3 | awk '{ print $2 }' | grep -q 2"],
  ["sed", "echo abc > a && sed -i s/b/B/ a && grep -q aBc a"],
  ["grep", "grep -r root /etc/passwd"],
  ["find", "mkdir -p a/b && touch a/b/c && find a -name c -exec echo {} + | grep -q c"],
  ["xargs", "printf '1 2 3' | xargs -n1 -P2 echo | wc -l | grep -q 3"],
  ["tee", "echo x | tee a b && cmp a b"],
  ["tar", "mkdir d && echo x > d/a && tar czf d.tgz d && rm -r d && tar xzf d.tgz && cat d/a"],
  ["gzip", "echo x > a && gzip a && gunzip a.gz && cat a"],
  ["xz", "echo x > a && xz a && unxz a.xz && cat a"],
  [
    "git",
    "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log",
  ],
  [
    "git",
    "git init -q r && cd r && echo x > a && git add a && git -c user.name=a -c user.email=a@b commit -qm x && git clone -q . ../c && cat ../c/a",
  ],
  ["python3", "python3 -c 'import json, ssl, sqlite3, tempfile; print(json.dumps(1), tempfile.mkdtemp())'"],
  [
    "python3",
    'python3 -c \'import subprocess as s; print(s.run(["echo", "x"], capture_output=True).stdout)\'',
  ],
  ["python3", "python3 -c 'import multiprocessing as m; p = m.Pool(2); print(p.map(abs, [-1, -2]))'"],
  [
    "python3",
    "python3 -c 'import threading as t; x = t.Thread(target=print, args=(1,)); x.start(); x.join()'",
  ],
  [
    "python3",
    'python3 -c \'import sqlite3; c = sqlite3.connect("a.db"); c.execute("create table t (x)"); c.commit()\'',
  ],
  ["python3", "python3 -c 'import asyncio; asyncio.run(asyncio.sleep(0))'"],
  ["perl", "perl -e 'print \"x\\n\"'"],
  ["make", "printf 'a:\\n\\techo made > a\\n' > Makefile && make -s && cat a"],
  ["gcc", "echo 'int main(){return 0;}' > a.c && gcc -o a a.c && test -s a"],
  [
    "gcc",
    "echo 'int main(){return 0;}' > a.c && gcc -o a a.c && ./a",
    "data is executable only by permissions.run",
  ],
  ["flock", "flock lock echo locked"],
  ["mktemp", "test -f $(mktemp) && test -d $(mktemp -d)"],
  ["ps", "ps -ef | grep -q ps"],
  ["id", "id -u && id -un"],
  ["date", "TZ=Europe/Berlin date +%Z | grep -q CE"],
  ["hostname", "hostname"],
  ["uname", "uname -a"],
  ["nproc", "nproc"],
  ["free", "free -m"],
  ["df", "df -h . && df /"],
  ["du", "du -sh ."],
  ["uptime", "uptime"],
  ["timeout", "timeout 5 true"],
  ["timeout", "timeout -s KILL 0.05 sleep 5; test $? = 137"],
  ["nice", "nice -n 5 true && taskset -c 0 true"],
  ["sleep", "sleep 60 & kill $! && ! wait $!"],
  ["sh", "trap 'echo ended' EXIT; (exit 3); test $? = 3"],
  ["nohup", "nohup true 2>/dev/null"],
  ["setsid", "setsid -w true"],
  ["env", "env | grep -q ^HOME="],
  ["sha256sum", "echo x | sha256sum && echo x | md5sum && echo x | base64"],
  ["diff", "echo x > a; echo y > b; diff a b; test $? = 1"],
  ["patch", "echo x > a; echo y > b; diff -u a b > p; patch -s a p && cmp a b"],
  ["openssl", "openssl rand -hex 8 && echo x | openssl dgst -sha256"],
  ["sqlite3", "sqlite3 a.db 'create table t (x); select 1'"],
  ["jq", "echo '{\"a\":1}' | jq .a"],
  ["mkfifo", "mkfifo p && (echo x > p &) && cat p"],
  ["sh", "echo x > /dev/null && echo y > /dev/stdout && echo z > /dev/stderr && cat < /dev/stdin"],
  ["sh", "echo x > /dev/shm/aurora-test-$$ && rm /dev/shm/aurora-test-$$"],
  ["ldd", "ldd /bin/ls"],
  ["locale", "locale"],
  ["getent", "getent passwd root"],
  ["node", 'node -e \'require("fs").writeFileSync("a", "x"); console.log(process.version)\''],
  ["java", "java -version"],
  ["curl", "curl -s --max-time 2 http://127.0.0.1:1", "no sockets unless permissions.net says so"],
  ["strace", "strace -o t true", "tracing is refused"],
  ["sh", "echo x > /tmp/aurora-test-$$ && rm /tmp/aurora-test-$$", "scratch is $TMPDIR, not /tmp"],
];

/** They need a /dev/shm, and the machine's is closed to packs that run as the caller: it would be other packs' as well. */
const NEEDS_SHARED_MEMORY = /multiprocessing|\/dev\/shm/;
/** For a user that has no name: what asks for the name has none to print. */
const NAMELESS = new Set(["id -u && id -un"]);

const features = probeKernel();
const isConfinable = features.launcher === null && features.landlock === null;
const isRoot = process.geteuid?.() === 0;
const PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
const OWN_USER = packUser("commands", new Set());

type SetUp = { kernel: KernelFeatures; uid?: number };
const setUps: [string, SetUp][] = [
  ["with all layers", { kernel: features }],
  ["by Aurora itself", { kernel: withReExec(features) }],
  ...(isRoot && features.ownUser === null
    ? ([["as a user of its own", { kernel: features, uid: OWN_USER }]] as [string, SetUp][])
    : []),
];

describe.skipIf(!isConfinable).each(setUps)("everyday commands, confined %s", (_name, { kernel, uid }) => {
  let place: ReturnType<typeof confinedHome>;
  let home: string;
  beforeAll(() => {
    place = confinedHome();
    home = place.path;
    if (uid !== undefined) for (const name of ["data", "logs", "tmp"]) chownSync(join(home, name), uid, uid);
  });
  afterAll(() => place?.[Symbol.dispose]());

  let count = 0;
  /** Unconfined is the control: a command that does not work there either says nothing. */
  const attempt = async (script: string, policy: Policy | undefined) => {
    const cwd = join(home, "data", String(count++));
    mkdirSync(cwd);
    if (policy !== undefined && uid !== undefined) chownSync(cwd, uid, uid);
    const env = { PATH, HOME: join(home, "data"), TMPDIR: join(home, "tmp"), LANG: "C.UTF-8" };
    const user = uid === undefined ? {} : { uid, gid: uid };
    const confinement = policy && prepareConfinement({ ...policy, ...user }, kernel, { required: true });
    const { rc, stdout, stderr } = await run({
      argv: ["/bin/sh", "-c", script],
      cwd,
      env,
      ...(confinement === undefined ? {} : { confinement }),
    });
    return { code: rc, output: rc === 0 ? "" : Buffer.concat([stdout, stderr]).toString() };
  };

  const hasSharedMemory = kernel.mountNamespace === null || uid !== undefined;
  for (const [needs, script, documented] of commands) {
    const isWithout = !hasSharedMemory && NEEDS_SHARED_MEMORY.test(script);
    const why = isWithout ? "no mount namespace, so no /dev/shm of its own" : documented;
    const found = Bun.which(needs, { PATH });
    // Found on this machine for somebody else only: in a home, by a shim.
    const isThere = found !== null && existsSync(found) && !realpathSync(found).startsWith("/root/");
    const isNameless = uid !== undefined && NAMELESS.has(script);
    test.skipIf(!isThere || isNameless)(`${script}${why === undefined ? "" : ` (not: ${why})`}`, async () => {
      const { code, output } = await attempt(script, policyIn(home));
      if (why === undefined) {
        const control = code === 0 ? 0 : (await attempt(script, undefined)).code;
        expect(control, "unconfined it does not work either").toBe(0);
        expect({ code, output }).toEqual({ code: 0, output: "" });
      } else {
        expect(code).not.toBe(0);
        // Unconfined it does not work either, for another reason: nobody listens there.
        if (needs === "curl") return;
        expect((await attempt(script, undefined)).code, "unconfined it works").toBe(0);
      }
    });
  }

  test.skipIf(Bun.which("curl", { PATH }) === null)("curl on a granted port, and on no other", async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const granted = policyIn(home, { net: { connect: [server.port as number], listen: [], udp: false } });
    const script = (port: number | undefined) =>
      `curl -sf --noproxy '*' --max-time 10 http://127.0.0.1:${port} | grep -q hello`;
    expect(await attempt(script(server.port), granted)).toEqual({ code: 0, output: "" });
    expect((await attempt(script(other.port), granted)).code).not.toBe(0);
  });
});
