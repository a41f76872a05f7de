# shellcheck shell=sh
# Sourced by /etc/odhcp6c.user.d/uciprov after every DHCPv6 or RA event; $2 is the event, INTERFACE the logical interface.
# Keeps what the server said, byte for byte, as NAME=VALUE ended by NUL, for the resolver `dhcp`, which alone judges it.
# Nothing here looks at a value. Lifetimes are left out: they change with every router advertisement.

uciprov_dhcp6_record() {
	local folder=/var/run/uciprov/dhcp record new

	case "$INTERFACE" in
		''|.*|*[!A-Za-z0-9_.-]*) return 0 ;;
	esac
	record="$folder/$INTERFACE.v6"
	new="$folder/.$INTERFACE.v6.new"

	case "$1" in
		bound|informed|updated|rebound|ra-updated) ;;
		started|stopped|unbound) rm -f "$record"; return 0 ;;
		*) return 0 ;;
	esac

	# Leases come before the service does: what lies beside them is for all to read.
	umask 022
	mkdir -p "${folder%/*}"
	umask 077
	mkdir -p "$folder" || return 0
	printf '%s\0' \
		"OPTION_136=$OPTION_136" "OPTION_59=$OPTION_59" "DOMAINS=$DOMAINS" "SERVER=$SERVER" > "$new" ||
		{ rm -f "$new"; return 0; }

	if [ -f "$record" ] && [ "$(cat "$record")" = "$(cat "$new")" ]; then
		rm -f "$new"
		return 0
	fi
	mv -f "$new" "$record" || return 0
	: > "$folder/changed"
	# Look now: SIGHUP for a daemon, `retry` for crond.
	(
		ubus -S call service signal '{"name":"uciprov","signal":1}'
		/etc/init.d/uciprov retry
	) >/dev/null 2>&1 &
}

uciprov_dhcp6_record "$2" 2>/dev/null
