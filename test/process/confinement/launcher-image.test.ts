import { describe, expect, test } from "bun:test";

import {
  buildLauncher,
  compilerFor,
  compilers,
  compilerVersion,
  type LauncherArch,
} from "../../../scripts/confine-launcher/build.ts";
import { launcherImages } from "../../../src/process/confinement/launcher-image.ts";

describe.each(Object.keys(compilers) as LauncherArch[])("the launcher for %s", (arch) => {
  const image = launcherImages[arch];
  const compiler = compilerFor(arch);
  const isSame = compiler !== undefined && compilerVersion(compiler) === image?.compiler;

  const why =
    compiler === undefined
      ? `, but there is no ${compilers[arch]} here`
      : `, but here it is ${compilerVersion(compiler)}`;

  // Another version of gcc may make other code of the same source, which says nothing about the committed bytes.
  test.skipIf(!isSame)(`is what gcc ${image?.compiler} makes of its source${isSame ? "" : why}`, () => {
    expect(buildLauncher(arch, compiler as string).toString("base64")).toBe(image?.base64 as string);
  });

  test("fits into the page that the image has for it", () => {
    expect(Buffer.from(image?.base64 ?? "", "base64").length).toBeWithin(100, 0x1000);
  });
});
