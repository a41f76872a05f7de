/** What `tree init` lays out: harmless on every device, each file with what it is for. `tree/` is what is published, so that nothing else ever is. */
export const STARTER: Readonly<Record<string, string>> = {
  "README.md": `# Our routers' configuration

Whatever lies in \`tree/\` is what our devices become: they fetch it, check its signature, apply it, and go back by themselves if it cuts them off.
Only \`tree/\` is published. This page, \`inventory.csv\` and above all the keys are not.

## What is where

| file | who gets it |
| --- | --- |
| \`tree/default.uci\` | all devices |
| \`tree/BOARD.uci\` | devices of this board (\`cat /tmp/sysinfo/board_name\` on one) |
| \`tree/HOSTNAME.uci\` | the device with this hostname |
| \`tree/MAC.uci\` | one device: its MAC, 12 lower-case hex digits |
| \`tree/authorized_keys\`, \`tree/overlay.tar.gz\`, \`tree/packages\`, \`tree/services\` | all devices: who may log in, plain files, software, services; none of them is here yet |
| \`inventory.csv\` | nobody: it tells \`tree lint\` and \`tree plan\` which devices there are |

A \`.uci\` file is what \`uci export\` prints, or as much of it as you care about. Of two files the later one in this table wins. What you take out of the
tree goes back to what the device had.

## A change, step by step

    uciprov tree lint tree --inventory inventory.csv --strict
    uciprov tree plan tree --mac 00:00:5e:00:53:01 --inventory inventory.csv
    uciprov tree sign tree --key ../keys/FINGERPRINT.sec --name fleet
    rsync -r --exclude 'MANIFEST*' tree/ SERVER:/srv/tree/ && rsync tree/MANIFEST* SERVER:/srv/tree/

Once, before the first: \`uciprov keys generate ../keys\`. The file without \`.sec\` goes to \`/etc/uciprov/keys/\` on every device; the other one stays out of
this folder.

Passwords and private keys belong into files of single devices only: whoever knows a file's name can fetch it.
`,
  "inventory.csv": `mac,hostname,board,release,site
00:00:5e:00:53:01,attic,"example,router-one",24.10.0,prague
00:00:5e:00:53:02,cellar,"example,router-one",24.10.0,prague
`,
  ".gitignore": `# A secret key never comes here.
*.sec
`,
  "tree/default.uci": `# What all devices get. Options that are not named here stay as each device has them.

package system

config system
	option timezone 'UTC'
	option zonename 'UTC'
	option description 'configured by uciprov'

# More to come, for instance:
#package wireless
#
#config wifi-iface 'default_radio0'
#	option ssid 'our network'
`,
  "tree/example,router-one.uci": `# What devices of the board example,router-one get: rename this file to a board of yours, and its lines in inventory.csv.

package system

config system
	option notes 'This board has no peculiarities yet.'
`,
  "tree/cellar.uci": `# What the device with the hostname cellar gets.

package system

config system
	option description 'configured by uciprov, in the cellar'
`,
  "tree/00005e005301.uci": `# What the device with the MAC 00:00:5e:00:53:01 gets.

package system

config system
	option hostname 'attic'
`,
};
