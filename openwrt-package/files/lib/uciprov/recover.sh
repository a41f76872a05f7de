#!/bin/sh
# Takes an unfinished transaction of uciprov back, without Node.
#
#   recover.sh                  at boot, before the network: old configuration back, unless it was confirmed
#   recover.sh watch SECONDS    started before a plan lands: takes it back unless it is confirmed in time
#
# UCIPROV_ROOT (absolute, default /) is the device's root. Paths in the undo list hold no link on the way to their folder at the
# time they were written, so they are followed plainly; in a scratch root with absolute links put there since, use Node instead.
#
# It trusts nothing it reads: the journal and the whole undo list are checked before anything is touched; of a version or state it
# does not know it touches nothing. It copies originals (or links them, if the disk is full) and never moves them, so a cut at any point is mended by running it again.
# The layout is that of src/transaction/; docs/transaction.md explains both. It is one file on purpose: a package that was half exchanged when the power failed
# has it whole, old or new, and never a part of each.
# Exit status: 0 nothing open any more (or not ours to end), 1 something is left to do, said on stderr and in the log.

LC_ALL=C
export LC_ALL
umask 077

ROOT=${UCIPROV_ROOT:-}
ROOT=${ROOT%/}
TX=$ROOT/lib/uciprov/tx
WORK=$TX/work
UNDO=$WORK/undo

main() {
	case $ROOT in
	'' | /*) ;;
	*) die "UCIPROV_ROOT is not absolute" ;;
	esac
	case ${1:-} in
	'') at_boot ;;
	watch) watch "${2:-}" ;;
	*) die "usage: recover.sh [watch SECONDS]" ;;
	esac
}

at_boot() {
	open_journal || exit 0
	case $state in
	confirmed) exit 0 ;; # Node promotes what follows from it
	rolled-back) [ -d "$WORK" ] || exit 0 ;;
	esac
	take_claim 30 || die "another process decides about transaction $id"
	open_journal || finish 0
	case $state in
	confirmed) ;;
	rolled-back) rm -rf "$WORK" ;;
	*) end_at_boot ;;
	esac
	finish 0
}

end_at_boot() {
	running=$(running_firmware)
	# Only if both are known: what is discarded in error stays half way for ever.
	if [ -n "$firmware" ] && [ -n "$running" ] && [ "$firmware" != "$running" ]; then
		say err "transaction $id is discarded, not undone: it belongs to firmware '$firmware', and '$running' runs"
		discard
	elif [ "$state" = prepared ]; then
		say notice "transaction $id is discarded: nothing of it had landed"
		discard
	elif [ "$state" = trial ] && [ "$reboot_allowed" = 1 ]; then
		read_boot_id
		advance trial "$reason" 0 "$boot_id" || stop "cannot note that transaction $id was let pass a boot"
		say notice "transaction $id reboots by plan: it stays on trial for this boot"
		guard_trial
	else
		take_back "cut while $state"
	fi
}

# A trial that was let pass needs somebody who takes it back if Node never comes; the boot itself takes its time.
guard_trial() {
	[ -z "$ROOT" ] || return 0
	release_claim
	# No session of its own: OpenWrt's busybox has no setsid, and nobody ends what is started at boot.
	sh "$0" watch $((window + 120)) </dev/null >/dev/null 2>&1 &
}

watch() {
	case $1 in
	'' | *[!0-9]* | ??????*) die "usage: recover.sh watch SECONDS" ;;
	esac
	trap '' HUP
	open_journal || exit 0
	mine=$id
	uptime_seconds
	deadline=$((now + $1))
	latest=$((deadline + 900))
	while [ "$now" -lt "$deadline" ]; do
		nap=$((deadline - now))
		[ "$nap" -le 2 ] || nap=2
		sleep "$nap"
		is_still_mine || exit 0
		uptime_seconds
		# The window opens when everything has landed; whoever lands it holds a claim.
		case $state in
		prepared | applying)
			if [ "$now" -lt "$latest" ] && live_claim >/dev/null; then deadline=$((now + $1)); fi
			;;
		esac
	done
	claim_or_kill
	acts=''
	if is_still_mine; then
		# Services are acted on after everything has landed, never before. Who acts on them now is noted, so that Node does not do it again.
		[ "$state" != trial ] || [ -n "$ROOT" ] || acts=$services
		if [ "$state" = prepared ]; then
			discard
		else
			take_back "not confirmed within $1 seconds"
			took_back=1
		fi
	fi
	sweep_claims
	[ -n "$ROOT" ] || reload
	for one in $acts; do act_on_service "${one%%:*}" "${one#*:}"; done
	reboot_once_more
	exit 0
}

# What took a reboot to become true takes one to be so no more. The journal then says rolled-back, so it is done once.
reboot_once_more() {
	[ -n "${took_back:-}" ] && [ -n "$rebooted" ] && [ -z "$ROOT" ] && [ -x /sbin/reboot ] || return 0
	say warning "the device restarts with the configuration from before transaction $id"
	/sbin/reboot
}

# The event that reload_config sends, for our packages alone: also for those that it has never seen.
reload() {
	has ubus || return 0
	for one in $packages; do
		ubus call service event "{\"type\":\"config.change\",\"data\":{\"package\":\"$one\"}}" </dev/null >/dev/null
	done
}

# act_on_service NAME ACT: an init script that hangs is killed after a minute.
act_on_service() {
	script=/etc/init.d/$1
	[ -f "$script" ] && [ -x "$script" ] || return 0
	say notice "$1: $2, with the old configuration"
	"$script" "$2" </dev/null >/dev/null 2>&1 &
	acting=$!
	patience=60
	while kill -0 "$acting" 2>/dev/null; do
		patience=$((patience - 1))
		[ "$patience" -gt 0 ] || kill -9 "$acting" 2>/dev/null
		[ "$patience" -gt -9 ] || return 0 # not even that ends it
		sleep 1
	done
}

is_still_mine() {
	open_journal || return 1
	[ "$id" = "$mine" ] && [ "$state" != confirmed ] && [ "$state" != rolled-back ]
}

# Whoever holds the claim for a minute past the deadline hangs, and a device that hangs half way is what we are here for.
claim_or_kill() {
	take_claim 60 && return 0
	holder=$(live_claim) && say err "process ${holder%%-*} hangs over transaction $id and is killed" && kill -9 "${holder%%-*}"
	take_claim 30 || stop "another process decides about transaction $id"
}

# ---------------------------------------------------------------- the journal

# Sets the journal's fields; 1 if there is none. One that is not understood ends the script: touch nothing, say so.
open_journal() {
	[ -e "$TX/journal" ] || return 1
	read_journal || stop "$TX/journal is damaged or of another version: nothing was touched"
}

read_journal() {
	version='' id='' state='' reason='' window='' firmware='' reboot_allowed='' rebooted='' packages='' services='' last='' seen=' ' line=''
	[ -f "$TX/journal" ] && [ "$(wc -c <"$TX/journal")" -le 16384 ] || return 1
	while IFS= read -r line <&3; do
		value=${line#*=}
		key=${line%%=*}
		case $line in
		*[[:cntrl:]]*) return 1 ;;
		*=*) ;;
		*) return 1 ;;
		esac
		case $key in
		'' | *[!a-z0-9-]*) return 1 ;;
		esac
		case $seen in
		*" $key "*) return 1 ;;
		esac
		seen="$seen$key "
		last=$line
		case $key in
		version) version=$value ;;
		id) id=$value ;;
		state) state=$value ;;
		reason) reason=$value ;;
		window) window=$value ;;
		firmware) firmware=$value ;;
		reboot-allowed) reboot_allowed=$value ;;
		rebooted) rebooted=$value ;;
		packages) packages=$value ;;
		services) services=$value ;;
		esac
		line=''
	done 3<"$TX/journal"
	[ -z "$line" ] && [ "$version" = 1 ] && [ "$last" = end=1 ] || return 1
	for key in reason firmware reboot-allowed rebooted; do
		case $seen in
		*" $key "*) ;;
		*) return 1 ;;
		esac
	done
	case $id in
	'' | *[!a-z0-9-]*) return 1 ;;
	esac
	case $window in
	'' | *[!0-9]* | ????????*) return 1 ;;
	esac
	case $state in
	prepared | applying | trial | confirmed | rolling-back | rolled-back) ;;
	*) return 1 ;;
	esac
	case $packages in
	*[!A-Za-z0-9_\ -]*) return 1 ;;
	esac
	services_are_acts
}

# Words NAME:ACT, which become a path and an argument.
services_are_acts() {
	set -f
	for one in $services; do
		case $one in
		*[!A-Za-z0-9._+:-]* | .*) set +f && return 1 ;;
		*:*:*) set +f && return 1 ;;
		?*:start | ?*:stop | ?*:reload | ?*:restart) ;;
		*) set +f && return 1 ;;
		esac
	done
	set +f
}

# advance STATE REASON [REBOOT-ALLOWED REBOOTED]: new file, flush, rename, flush; every other line stays as it is.
advance() {
	rm -f "$TX/journal.new"
	while IFS= read -r line <&3; do
		case $line in
		state=*) line=state=$1 ;;
		reason=*) line=reason=$2 ;;
		reboot-allowed=*) line=reboot-allowed=${3:-0} ;;
		rebooted=*) line=rebooted=${4:-$rebooted} ;;
		services=*) [ "$1" != rolled-back ] || [ -z "${acts:-}" ] || line=services= ;;
		esac
		printf '%s\n' "$line" || return 1
	done 3<"$TX/journal" >"$TX/journal.new" || return 1
	[ "$(tail -n 1 "$TX/journal.new")" = end=1 ] || return 1
	flush "$TX/journal.new" && mv -f "$TX/journal.new" "$TX/journal" && flush "$TX"
}

discard() {
	rm -f "$TX/journal.new" "$TX/journal"
	flush "$TX"
	rm -rf "$WORK"
}

# ---------------------------------------------------------------- undoing

take_back() {
	[ -n "$reason" ] || reason=$1
	say warning "transaction $id is taken back: $reason"
	list_is_whole || stop "the undo list of transaction $id is damaged: nothing was touched"
	[ "$state" = rolling-back ] || advance rolling-back "$reason" || say warning "no room for a note; going on"
	rm -rf "$WORK/stage" # room for the originals
	failed=''
	each_item remove # makes room
	each_item 'restore|link'
	each_item rmdir # the deepest come first
	sync
	[ -z "$failed" ] || stop "transaction $id could not be taken back wholly; the next boot tries again"
	advance rolled-back "$reason" || stop "transaction $id is taken back, but that could not be noted"
	rm -rf "$WORK"
	say notice "the configuration from before transaction $id is back"
}

# The whole list before its first line is obeyed.
list_is_whole() {
	[ -f "$UNDO/list" ] || return 1
	count=-1
	ended='' line=''
	while IFS= read -r line <&3; do
		[ -z "$ended" ] || return 1
		if [ "$count" -lt 0 ]; then
			[ "$line" = 'uciprov-undo 1' ] || return 1
		else
			case $line in
			'end '*) [ "$line" = "end $count" ] || return 1 && ended=1 ;;
			*) parse_item || return 1 ;;
			esac
		fi
		[ -n "$ended" ] || count=$((count + 1))
		line=''
	done 3<"$UNDO/list"
	[ -z "$line" ] && [ -n "$ended" ]
}

# Splits $line into kind, number and path, and refuses what is no item.
parse_item() {
	kind=${line%% *}
	path=${line#* }
	number=${path%% *}
	path=${path#* }
	case $line in
	*[[:cntrl:]]*) return 1 ;;
	*' '*' '*) ;;
	*) return 1 ;;
	esac
	case $kind in
	restore | link | remove | rmdir) ;;
	*) return 1 ;;
	esac
	case $number in
	'' | *[!0-9]* | ????????*) return 1 ;;
	esac
	case $path in
	/lib/uciprov | /lib/uciprov/*) return 1 ;;
	/*) ;;
	*) return 1 ;;
	esac
	case $path/ in
	*//* | */./* | */../*) return 1 ;;
	esac
	case $kind in
	restore) [ -f "$UNDO/$number" ] && [ ! -L "$UNDO/$number" ] ;;
	link) [ -L "$UNDO/$number" ] ;;
	esac
}

# each_item KINDS: a list, or an original, that cannot be read any more half way is no list that has been gone through.
each_item() {
	gone_through=0
	while IFS= read -r line <&3; do
		case $line in
		'uciprov-undo '* | 'end '*) continue ;;
		esac
		parse_item || break
		gone_through=$((gone_through + 1))
		case "|$1|" in
		*"|$kind|"*) ;;
		*) continue ;;
		esac
		target=$ROOT$path
		folder=${target%/*}
		temporary=$folder/.uciprov-tx-$number
		rm -f "$temporary"
		put_right && continue
		failed=1
		say err "$path could not be put back"
	done 3<"$UNDO/list"
	[ "$gone_through" -eq "$count" ] || failed=1
}

put_right() {
	case $kind in
	remove) put_away ;;
	rmdir) put_away_folder ;;
	*) put_back ;;
	esac
}

put_away() {
	[ -d "$target" ] && [ ! -L "$target" ] && return 0 # somebody else's by now
	rm -f "$target"
}

# Somebody else's file in it keeps it.
put_away_folder() {
	[ -d "$target" ] && [ ! -L "$target" ] || return 0
	rmdir "$target" 2>/dev/null
	return 0
}

put_back() {
	[ -d "$folder" ] || (umask 022 && mkdir -p "$folder") || return 1
	if [ -d "$target" ]; then
		[ -L "$target" ] || return 1
		rm -f "$target" || return 1 # or mv would go through the link
	fi
	linked=''
	if copy_beside && { [ "$kind" = link ] || flush "$temporary"; } && mv -f "$temporary" "$target"; then
		# Where both names were one file's already, by an earlier try, mv leaves it.
		[ -z "$linked" ] || rm -f "$temporary"
		return 0
	fi
	rm -f "$temporary"
	return 1
}

# On a full disk the original itself, under a second name, must do: its own stays, so that this can be cut and done again.
copy_beside() {
	cp -dp "$UNDO/$number" "$temporary" && return 0
	rm -f "$temporary"
	linked=1
	ln "$UNDO/$number" "$temporary"
}

# ---------------------------------------------------------------- claims

# Only one process may decide. Each puts its own file first and then looks for others', so two never both go on (see claim.ts).
# take_claim SECONDS: 1 if another one held it all the time.
take_claim() {
	name_self
	tries=0 waited=0
	while :; do
		# On a full disk it goes on without: to confirm a claim is needed, to take back it is not.
		printf '' 2>/dev/null >"$TX/claim-$self"
		live_claim >/dev/null || return 0
		release_claim
		[ "$waited" -lt "$1" ] || return 1
		# By the bits of its number: two that came at the same moment do not keep step for ever.
		nap=$((1 + ($$ >> tries % 15) % 2))
		sleep "$nap"
		waited=$((waited + nap))
		tries=$((tries + 1))
	done
}

release_claim() {
	[ -z "${self:-}" ] || rm -f "$TX/claim-$self"
}

# Its own, and those of the dead, who never come back.
sweep_claims() {
	release_claim
	for claim in "$TX"/claim-*; do
		[ -e "$claim" ] && ! is_alive "${claim##*/claim-}" && rm -f "$claim"
	done
}

# Prints the claim of another living process; 1 if there is none.
live_claim() {
	for claim in "$TX"/claim-*; do
		token=${claim##*/claim-}
		if [ -e "$claim" ] && [ "$token" != "${self:-}" ] && is_alive "$token"; then
			printf '%s\n' "$token"
			return 0
		fi
	done
	return 1
}

is_alive() {
	case ${1%%-*} in
	'' | *[!0-9]*) return 1 ;;
	esac
	read_boot_id
	start_time "${1%%-*}" && [ "$1" = "${1%%-*}-$started-$boot_id" ]
}

name_self() {
	read_boot_id
	start_time $$ || started=0
	self=$$-$started-$boot_id
}

# Field 22 of /proc/PID/stat, counted after the name, which may hold blanks; 1 if there is no such process or it has ended.
start_time() {
	started=''
	IFS= read -r fields 2>/dev/null <"/proc/$1/stat" || return 1
	set -f
	# shellcheck disable=SC2086
	set -- ${fields##*) }
	set +f
	case ${1:-} in
	'' | Z | X) return 1 ;;
	esac
	started=${20:-0}
}

read_boot_id() {
	boot_id=unknown
	[ ! -r /proc/sys/kernel/random/boot_id ] || IFS= read -r boot_id </proc/sys/kernel/random/boot_id
}

# ---------------------------------------------------------------- the system

running_firmware() {
	[ -f "$ROOT/etc/openwrt_release" ] || return 0
	sed -n "s/^DISTRIB_REVISION=['\"]\{0,1\}\([^'\"]*\)['\"]\{0,1\}\$/\1/p" "$ROOT/etc/openwrt_release" | tail -n 1
}

# Flushes one file or folder; all of the disk where the applet is missing or refuses.
flush() {
	if has fsync; then
		fsync "$1" 2>/dev/null || sync
	else
		sync
	fi
}

uptime_seconds() {
	read -r now _ </proc/uptime
	now=${now%%.*}
}

has() {
	command -v "$1" >/dev/null 2>&1
}

say() {
	printf 'uciprov: %s\n' "$2" >&2
	[ -n "$ROOT" ] || ! has logger || logger -t uciprov -p "daemon.$1" "$2"
}

die() {
	say err "$1"
	exit 1
}

stop() {
	release_claim
	die "$1"
}

finish() {
	sweep_claims
	exit "$1"
}

main "$@"
