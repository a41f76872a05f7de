/** The plug-ins that ship, in order. The order of the modules is the order of their changes and hooks; resolvers are ordered by the settings. */

import beesip from "../hooks/beesip.ts";
import certs from "../hooks/certs.ts";
import led from "../hooks/led.ts";
import monitoring from "../hooks/monitoring/index.ts";
import overlay from "../hooks/overlay.ts";
import packages from "../hooks/packages.ts";
import pbx from "../hooks/pbx/index.ts";
import report from "../hooks/report.ts";
import security from "../hooks/security/index.ts";
import services from "../hooks/services.ts";
import sshkeys from "../hooks/sshkeys.ts";
import sysupgrade from "../hooks/sysupgrade.ts";
import uci from "../hooks/uci.ts";
import dhcp from "../resolvers/dhcp.ts";
import dns from "../resolvers/dns.ts";
import dnssec from "../resolvers/dnssec.ts";
import https from "../resolvers/https.ts";
import lldp from "../resolvers/lldp.ts";
import static_ from "../resolvers/static.ts";
import type { Plugins } from "./context.ts";

export const plugins: Plugins = {
  resolvers: [static_, https, dnssec, dns, dhcp, lldp],
  modules: [
    sysupgrade,
    uci,
    overlay,
    sshkeys,
    packages,
    services,
    certs,
    beesip,
    pbx,
    security,
    monitoring,
    led,
    report,
  ],
};
