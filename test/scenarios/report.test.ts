/** What a run tells whoever watches the fleet, and shows whoever stands before the device. */
import { describe, expect } from "vitest";
import { provisioned, type Scene, type SettingsText, scenario } from "../helpers/scenario.ts";
import { contentOf, OWN } from "../helpers/snapshot.ts";

interface Got {
  readonly body: Record<string, unknown>;
  readonly id: string;
}

/** Takes what is posted to the scene's own server; `status` is asked at each. */
function receiver(scene: Scene, status: () => number = () => 204): Got[] {
  const got: Got[] = [];
  scene.web.bend("reports", (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const answer = status();
      if (request.method === "POST" && answer < 300) {
        const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
        got.push({ body, id: String(request.headers["idempotency-key"]) });
      }
      response.writeHead(request.method === "POST" ? answer : 405).end();
    });
  });
  return got;
}

const reporting = (scene: Scene, more: SettingsText = {}): void =>
  scene.settings({ ...more, report: { uri: `${scene.web.uri}/reports`, seconds: "60", ...more["report"] } });

describe("reports", () => {
  scenario("tell a first provisioning once, by names, and nothing when nothing changed", async (scene) => {
    const got = receiver(scene);
    reporting(scene);
    await provisioned(scene);
    expect(got).toHaveLength(1);
    expect(got[0]?.body).toMatchObject({
      version: 1,
      id: got[0]?.id,
      progress: "bootstrap-complete",
      run: { result: "changed", exit: "provisioned", generation: 1 },
      tree: { name: "first-light", serial: 1 },
      device: { mac: "02005e100001", hostname: expect.any(String) },
    });
    expect(JSON.stringify(got)).toContain("wireless.default_radio0.key");
    expect(JSON.stringify(got)).not.toContain("correct horse");
    await provisioned(scene);
    await provisioned(scene, ["plan"]);
    expect(got).toHaveLength(1);
  });

  scenario("name SZTP's steps on the way if asked to", async (scene) => {
    const got = receiver(scene);
    reporting(scene, { report: { progress: "1" } });
    await provisioned(scene);
    const steps = got.map(({ body }) => body["progress"]);
    expect(steps.at(0)).toBe("bootstrap-initiated");
    expect(steps.at(-1)).toBe("bootstrap-complete");
    expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
  });

  scenario("about a tree that was taken back wait on flash for a server that is down, and come once", async (scene) => {
    let isDown = true;
    const got = receiver(scene, () => (isDown ? 503 : 204));
    reporting(scene, { confirm: { window: "5", probe: ["https://127.0.0.1:9/"] } });
    const before = contentOf(scene.root, OWN);
    const ended = await scene.run();
    expect(ended).toMatchObject({ status: 6 });
    expect(contentOf(scene.root, OWN)).toEqual(before);
    expect(got).toEqual([]);
    isDown = false;
    // As after a boot: what was in RAM is gone.
    reporting(scene);
    await provisioned(scene);
    const backs = got.filter(({ body }) => body["takenBack"] !== undefined);
    expect(backs).toMatchObject([
      { body: { progress: "config-error", takenBack: { attempts: 1, code: "NOT_CONFIRMED" } } },
    ]);
    expect(got.at(-1)?.body).toMatchObject({ run: { result: "changed" } });
    await provisioned(scene, ["run", "--force"]);
    expect(got.filter(({ body }) => body["takenBack"] !== undefined)).toHaveLength(1);
  });

  scenario(
    "never hold a run up, nor decide about it: the receiver takes the letter and says nothing",
    async (scene) => {
      scene.web.bend("reports", () => undefined);
      reporting(scene, { report: { progress: "1", seconds: "3" } });
      const running = scene.run();
      await expect.poll(() => scene.device("/etc/uciprov/state/confirmed.json"), { timeout: 60_000 }).toBeDefined();
      const ended = await running;
      expect(ended).toMatchObject({ status: 0, json: { result: "changed" } });
    },
  );

  scenario("do not go to a server whose certificate is not believed", async (scene) => {
    const got = receiver(scene);
    reporting(scene, { report: { uri: `https://localhost.localdomain:${scene.web.port}/reports` } });
    await provisioned(scene);
    reporting(scene, { main: { system_ca: "0" }, report: { uri: `http://127.0.0.1:${scene.web.port}/reports` } });
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(got).toEqual([]);
  });
});

describe("the LED", () => {
  const LED = "/sys/class/leds/green:status";
  const board = (scene: Scene): void => {
    for (const [name, text] of Object.entries({
      trigger: "none [default-on] timer\n",
      brightness: "255\n",
      delay_on: "0\n",
      delay_off: "0\n",
    }))
      scene.edit(`${LED}/${name}`, text);
  };

  scenario("is as it was before when a run is over, however it ended; in between it blinked", async (scene) => {
    board(scene);
    scene.settings({ main: { led: "green:status" } });
    await provisioned(scene);
    expect(scene.device(`${LED}/trigger`)).toBe("default-on");
    expect(scene.device(`${LED}/delay_on`)).toBe("100");
    board(scene);
    scene.settings({ main: { led: "green:status" }, confirm: { window: "5", probe: ["https://127.0.0.1:9/"] } });
    scene.put("02005e100001.uci", "package system\n\nconfig system\n\toption hostname 'x'\n");
    scene.publish({ serial: 2 });
    expect(await scene.run()).toMatchObject({ status: 6 });
    expect(scene.device(`${LED}/trigger`)).toBe("default-on");
  });

  scenario("that is not there never matters", async (scene) => {
    scene.settings({ main: { led: "no-such-led" } });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
  });
});

describe("beesip", () => {
  const BEESIP = "/etc/config/beesip";

  scenario(
    "gives a telephone box its defaults, all off, leaves what people set, and takes them away with the program",
    async (scene) => {
      scene.edit("/usr/sbin/asterisk", "");
      await provisioned(scene);
      expect(scene.device(BEESIP)).toContain("option enabled '0'");
      expect(scene.device(BEESIP)).toContain("option role 'b2bua'");
      expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });

      scene.edit(BEESIP, (scene.device(BEESIP) ?? "").replace("option enabled '0'", "option enabled '1'"));
      scene.publish({ serial: 2 });
      await provisioned(scene);
      expect(scene.device(BEESIP)).toContain("option enabled '1'");
    },
  );

  scenario("yields to a layer: one module's default is no conflict with the tree", async (scene) => {
    scene.edit("/usr/sbin/asterisk", "");
    scene.put(
      "02005e100001.uci",
      "package beesip\n\nconfig pbx 'pbx'\n\toption enabled '1'\n\toption domain 'x.example'\n",
    );
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(scene.device(BEESIP)).toMatch(/option enabled '1'/);
    expect(scene.device(BEESIP)).toContain("option role 'b2bua'");
    expect(scene.device(BEESIP)).toMatch(/config probe 'probe'/);
  });

  scenario("says nothing where no telephony is", async (scene) => {
    await provisioned(scene);
    expect(scene.device(BEESIP)).toBeUndefined();
  });
});
