/** A device that Zabbix watches, by the real program: what changes restarts the agent, what does not leaves it alone, and switched off all of it goes. */
import { existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { AGENT_FILE, MONITOR_FOLDER, SENDER_FILE } from "../../src/monitor-keys.ts";
import { QUEUE_FOLDER } from "../../src/zabbix/queue.ts";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";

const PSK = "/etc/beesip/zabbix.psk";
const BOOT = "/etc/rc.d/S60zabbix_agentd";

/** 25.12's: with a switch of its own. */
function withAgent(scene: Scene): void {
  scene.edit("/etc/init.d/zabbix_agentd", "#!/bin/sh /etc/rc.common\nSTART=60\nUSE_PROCD=1\n");
  scene.edit("/etc/zabbix_agentd.conf", "Server=127.0.0.1\nInclude=/etc/zabbix_agentd.conf.d/*.conf\n");
  scene.edit("/etc/config/zabbix_agentd", "config zabbix_agentd 'general'\n\toption enabled '0'\n");
  scene.edit("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\nzabbix-agent:x:53:53::/:/bin/false\n");
  scene.edit("/etc/group", "root:x:0:\nzabbix-agent:x:53:\n");
}

function publish(scene: Scene, serial: number, options: string): void {
  scene.put("default.uci", `package beesip\n\nconfig monitoring 'monitoring'\n${options}`);
  scene.publish({ serial });
}

/** Nobody listens there: what is sent waits, and no run waits for it. */
const ON = `\toption enabled '1'
\tlist zabbix_server_active '127.0.0.1:9'
\toption tls 'psk'
\toption psk_identity 'box'
\toption psk '00112233445566778899aabbccddeeff'
`;

const acts = (json: Readonly<Record<string, unknown>>): unknown =>
  (json["plan"] as { services?: unknown } | undefined)?.services;
const has = (scene: Scene, path: string): boolean =>
  lstatSync(join(scene.root, path), { throwIfNoEntry: false }) !== undefined;
const value = (scene: Scene, key: string): string => readFileSync(join(scene.root, MONITOR_FOLDER, key), "utf8").trim();

describe("a device that Zabbix watches", () => {
  scenario(
    "an agent starts, restarts when its settings change, is left alone else, and is as it was in the end",
    async (scene) => {
      withAgent(scene);
      publish(scene, 2, ON);
      expect(acts(await provisioned(scene))).toMatchObject([{ name: "zabbix_agentd", act: "start" }]);
      expect([AGENT_FILE, PSK, SENDER_FILE, BOOT].filter((path) => !has(scene, path))).toEqual([]);
      expect(statSync(join(scene.root, PSK)).mode & 0o777).toBe(0o640);
      expect(scene.device("/etc/config/zabbix_agentd")).toContain("option enabled '1'");

      const again = await scene.run(["run", "--force"]);
      expect([again.json["result"], acts(again.json) ?? []]).toEqual(["recorded", []]);

      publish(scene, 3, ON.replace("'box'", "'box-2'"));
      expect(acts(await provisioned(scene))).toMatchObject([{ name: "zabbix_agentd", act: "restart" }]);

      publish(scene, 4, "\toption enabled '0'\n");
      await provisioned(scene);
      expect([AGENT_FILE, PSK, SENDER_FILE, BOOT].filter((path) => has(scene, path))).toEqual([]);
      expect(scene.device("/etc/config/zabbix_agentd")).toContain("option enabled '0'");
    },
  );

  scenario("each run leaves what it came to, and events wait for a server that is away", async (scene) => {
    withAgent(scene);
    publish(scene, 2, ON);
    await provisioned(scene);
    expect(value(scene, "uciprov.result")).toBe("changed");
    expect(value(scene, "uciprov.error")).toBe("NONE");
    expect(value(scene, "uciprov.serial")).toBe("2");
    await provisioned(scene);
    expect(value(scene, "uciprov.result")).toBe("unchanged");

    publish(scene, 3, ON.replace("'psk'", "'nonsense'"));
    expect((await scene.run()).status).toBe(5);
    expect([value(scene, "uciprov.result"), value(scene, "uciprov.failures")]).toEqual(["failed", "1"]);
    expect(value(scene, "uciprov.error")).toBe("PLAN_INVALID");
    expect(existsSync(join(scene.root, QUEUE_FOLDER))).toBe(true);
  });
});
