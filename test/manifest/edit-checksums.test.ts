/** Sealing changes the checksums and not one byte more. */
import { expect, test } from "bun:test";

import { editChecksums } from "../../src/manifest/edit-checksums.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const checksums = new Map([
  ["core/vfs.py", A],
  ["x", B],
]);

const cases: [name: string, format: "yaml" | "json", before: string, after: string][] = [
  [
    "block style, with comments and odd spaces",
    "yaml",
    `# the pack\npack:\n  id:   demo   # its name\n  artifacts:\n    - path: "core/vfs.py"   # the core\n      sha256: ""            # not yet\n    -   sha256: '${A}'\n        path: x\n\n# the end\n`,
    `# the pack\npack:\n  id:   demo   # its name\n  artifacts:\n    - path: "core/vfs.py"   # the core\n      sha256: "${A}"            # not yet\n    -   sha256: "${B}"\n        path: x\n\n# the end\n`,
  ],
  [
    "a plain scalar",
    "yaml",
    `pack:\n  artifacts:\n  - path: x\n    sha256: ${A}\n`,
    `pack:\n  artifacts:\n  - path: x\n    sha256: "${B}"\n`,
  ],
  [
    "no sha256, block style",
    "yaml",
    "pack:\n  artifacts:\n  - path: x   # why\n  - path: core/vfs.py\n    x-note: 1\nschema: 1\n",
    `pack:\n  artifacts:\n  - path: x   # why\n    sha256: "${B}"\n  - path: core/vfs.py\n    sha256: "${A}"\n    x-note: 1\nschema: 1\n`,
  ],
  [
    "no sha256 at the end of a file without a last newline",
    "yaml",
    "pack:\n  artifacts:\n  - path: x",
    `pack:\n  artifacts:\n  - path: x\n    sha256: "${B}"`,
  ],
  [
    "the path is not the first key",
    "yaml",
    "pack:\n  artifacts:\n  - x-note: 1\n    path: x\n",
    `pack:\n  artifacts:\n  - x-note: 1\n    path: x\n    sha256: "${B}"\n`,
  ],
  [
    "flow style",
    "yaml",
    'pack: { artifacts: [ { path: "x" }, {path: core/vfs.py, sha256: ""} ] }\n',
    `pack: { artifacts: [ { path: "x", sha256: "${B}" }, {path: core/vfs.py, sha256: "${A}"} ] }\n`,
  ],
  [
    "flow style with a last comma",
    "yaml",
    "pack: { artifacts: [ { path: x, } ] }\n",
    `pack: { artifacts: [ { path: x, sha256: "${B}", } ] }\n`,
  ],
  [
    "line ends of Windows",
    "yaml",
    'pack:\r\n  artifacts:\r\n  - path: x\r\n  - path: core/vfs.py\r\n    sha256: ""\r\n',
    `pack:\r\n  artifacts:\r\n  - path: x\r\n    sha256: "${B}"\r\n  - path: core/vfs.py\r\n    sha256: "${A}"\r\n`,
  ],
  [
    "a byte order mark",
    "yaml",
    '\uFEFFpack:\n  artifacts:\n  - path: x\n    sha256: ""\n',
    `\uFEFFpack:\n  artifacts:\n  - path: x\n    sha256: "${B}"\n`,
  ],
  [
    "letters beyond ASCII before the place",
    "yaml",
    '# héé 𐀀\npack:\n  artifacts:\n  - {path: x, sha256: ""}\n',
    `# héé 𐀀\npack:\n  artifacts:\n  - {path: x, sha256: "${B}"}\n`,
  ],
  [
    "an anchored path",
    "yaml",
    'pack:\n  artifacts:\n  - path: &p x\n    sha256: ""\n  - path: *p\n    sha256: ""\n',
    `pack:\n  artifacts:\n  - path: &p x\n    sha256: "${B}"\n  - path: *p\n    sha256: "${B}"\n`,
  ],
  [
    "an alias for a checksum",
    "yaml",
    'x-none: &none ""\npack:\n  artifacts:\n  - path: x\n    sha256: *none\n',
    `x-none: &none ""\npack:\n  artifacts:\n  - path: x\n    sha256: "${B}"\n`,
  ],
  [
    "JSON on one line",
    "json",
    '{"pack":{"artifacts":[{"path":"x"},{"path":"core/vfs.py","sha256":""}]}}',
    `{"pack":{"artifacts":[{"path":"x", "sha256": "${B}"},{"path":"core/vfs.py","sha256":"${A}"}]}}`,
  ],
  [
    "JSON with tabs",
    "json",
    '{\n\t"pack": {\n\t\t"artifacts": [\n\t\t\t{\n\t\t\t\t"path": "x"\n\t\t\t}\n\t\t]\n\t}\n}\n',
    `{\n\t"pack": {\n\t\t"artifacts": [\n\t\t\t{\n\t\t\t\t"path": "x",\n\t\t\t\t"sha256": "${B}"\n\t\t\t}\n\t\t]\n\t}\n}\n`,
  ],
  [
    "a text that is sealed already",
    "yaml",
    `pack:\n  artifacts:\n  - { sha256: ${B}, path: x }\n`,
    `pack:\n  artifacts:\n  - { sha256: ${B}, path: x }\n`,
  ],
  [
    "artifacts that are not asked for",
    "yaml",
    'pack:\n  artifacts:\n  - { path: other, sha256: "" }\n',
    'pack:\n  artifacts:\n  - { path: other, sha256: "" }\n',
  ],
  ["no artifacts", "yaml", "pack: {}\n", "pack: {}\n"],
];

test.each(cases)("%s", (_name, format, before, after) => {
  expect(editChecksums(before, format, checksums)).toBe(after);
  expect(editChecksums(after, format, checksums)).toBe(after);
});

test.each([
  ["an alias for an artifact", 'pack:\n  x-one: &one { path: x, sha256: "" }\n  artifacts: [*one]\n'],
  [
    "an anchored checksum that is used elsewhere",
    'pack:\n  artifacts:\n  - path: x\n    sha256: &s ""\n  - path: other\n    sha256: *s\n',
  ],
  ["no YAML at all", "pack: [\n"],
])("%s is refused", (_name, text) => {
  expect(() => editChecksums(text, "yaml", checksums)).toThrow("cannot write the checksums");
});
