/** What the module `monitoring` leaves for `uciprov probe`: the section `probe` of /etc/config/beesip, checked. No secret is in it. */
export const PROBE_FILE = "/etc/beesip/probe.json";

export interface ProbeConfig {
  /** Of this form; another program than the one that wrote it refuses what it does not know. */
  readonly version: 1;
  /** The collector, an https URI; else DHCP names it. */
  readonly server?: string;
  /** Hosts that DHCP may name; none: DHCP is not listened to. */
  readonly hosts: readonly string[];
  readonly keyUrl?: string;
  /** Files of the probe's certificate and key. */
  readonly cert: string;
  readonly key: string;
  /** File of the authorities that the collector's certificate comes from; else those of uciprov. */
  readonly ca?: string;
  /** A sound of one's own, instead of the one the plan names. */
  readonly sample?: string;
  readonly name: string;
  /** Where partners reach this probe. */
  readonly port: number;
  readonly spoolBytes: number;
  /** Whether those who listen have phones that conceal losses. */
  readonly conceals: boolean;
}
