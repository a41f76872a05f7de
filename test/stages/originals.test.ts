import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Device } from "../../src/context.ts";
import type { FileState } from "../../src/ownership-record.ts";
import { holdBack } from "../../src/stages/bisect/hold.ts";
import { planFiles } from "../../src/stages/validate/files.ts";
import { STATE } from "../../src/state.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const state = (text: string): FileState => {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { kind: "file", sha256, mode: 0o644, size: text.length };
};

test("a file whose original somebody has removed stays, is told each time, and keeps no other from coming back", () => {
  const ctx = aRunContext();
  for (const folder of ["/etc", "/etc/uciprov", "/etc/uciprov/state", STATE.originals])
    ctx.disk.makeDirectory(folder, 0o755);
  const put = (path: string, text: string) => ctx.disk.writeNew(path, Buffer.from(text), { mode: 0o644 });
  for (const name of ["one", "two"]) put(`/etc/${name}`, "the tree's");
  const files = Object.fromEntries(
    ["one", "two"].map((name) => [
      `/etc/${name}`,
      { module: "overlay", set: state("the tree's"), before: state(name) },
    ]),
  );
  const { sha256 } = state("two") as Extract<FileState, { kind: "file" }>;
  put(`${STATE.originals}/${sha256}`, "two");
  const bare = aDevice();
  const device: Device = { ...bare, state: { ...bare.state, owned: { uci: {}, files } } };
  const planned = planFiles(ctx, device, [], holdBack([]));
  expect(planned.findings).toMatchObject([
    { code: "STATE_INVALID", severity: "warning", message: expect.stringContaining("/etc/one") },
  ]);
  expect(planned.files).toMatchObject([{ path: "/etc/two", act: "restored" }]);
  expect(planned.record).toEqual({ "/etc/one": files["/etc/one"] });
});
