# shellcheck shell=sh
# Sourced by /etc/udhcpc.user.d/uciprov after every DHCPv4 event; $1 is the event, INTERFACE the logical interface.
# Keeps what the server said, byte for byte, as NAME=VALUE ended by NUL, for the resolver `dhcp` and, of 225 and 226, for `uciprov probe`: these alone judge it.
# Nothing here looks at a value: it may hold anything but NUL.

uciprov_dhcp_record() {
	local folder=/var/run/uciprov/dhcp record new

	case "$INTERFACE" in
		''|.*|*[!A-Za-z0-9_.-]*) return 0 ;;
	esac
	record="$folder/$INTERFACE.v4"
	new="$folder/.$INTERFACE.v4.new"

	case "$1" in
		bound|renew) ;;
		deconfig) rm -f "$record"; return 0 ;;
		*) return 0 ;;
	esac

	# Leases come before the service does: what lies beside them is for all to read.
	umask 022
	mkdir -p "${folder%/*}"
	umask 077
	mkdir -p "$folder" || return 0
	# shellcheck disable=SC2154  # udhcpc sets them, or not
	printf '%s\0' \
		"opt224=$opt224" "opt143=$opt143" "opt43=$opt43" \
		"bootfile=$bootfile" "boot_file=$boot_file" "tftp=$tftp" \
		"hostname=$hostname" "domain=$domain" "serverid=$serverid" \
		"opt225=$opt225" "opt226=$opt226" > "$new" || { rm -f "$new"; return 0; }

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

uciprov_dhcp_record "$1" 2>/dev/null
