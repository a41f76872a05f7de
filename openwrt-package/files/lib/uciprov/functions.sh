# uciprov's shell library: what a module in modules.d may call. docs/modules.md is its manual.
# shellcheck shell=sh
#
# It runs under busybox ash with the tools of a default OpenWrt image. What a module says goes to descriptor 3, one line a word of it,
# its fields separated by tabs; so a field can hold no control character. Whatever a module prints goes to the log.
# Names that begin with `uciprov__` are the library's own.

# uciprov_hook_add STAGE FUNCTION: have FUNCTION called in STAGE. `preapply` and `uciprov_preapply` name the same stage.
# Stages: preinit geturi fetch plan validate preapply apply postapply reboot done failed.
uciprov_hook_add() {
	[ $# -eq 2 ] || { uciprov__fault 'uciprov_hook_add takes a stage and a function'; return 2; }
	uciprov__stage=${1#uciprov_}
	case $uciprov__stage in
	preinit | geturi | fetch | plan | validate | preapply | apply | postapply | reboot | done | failed) ;;
	*) uciprov__fault "uciprov_hook_add: there is no stage $1"; return 2 ;;
	esac
	case $2 in
	config | option | list | package)
		uciprov__fault "uciprov_hook_add: /lib/functions.sh has a function $2 of its own; give yours another name"
		return 2 ;;
	uciprov__* | uciprov_hook_add | uciprov_get | uciprov_set | uciprov_fetch | uciprov_log | uciprov_uri | uciprov_deadline | \
		uciprov_file | uciprov_link | uciprov_remove | uciprov_merge | uciprov_service | uciprov_package | uciprov_reboot | uciprov_fault | uciprov_warn)
		uciprov__fault "uciprov_hook_add: $2 is a function of the library; give yours another name"
		return 2 ;;
	'' | *[!A-Za-z0-9_]* | [0-9]*)
		uciprov__fault "uciprov_hook_add: $2 is no name of a function"
		return 2 ;;
	esac
	uciprov__hooks="$uciprov__hooks$uciprov__stage $2
"
}

# uciprov_get MACRO: print a macro's value. Status 1 if there is none.
uciprov_get() {
	case ${1-} in
	'' | *[!a-z0-9_]*) return 1 ;;
	esac
	uciprov__name=UCIPROV_MACRO_$1
	# The name was checked: only letters, digits and _ get into this line.
	eval "[ -n \"\${$uciprov__name+set}\" ]" || return 1
	eval "printf '%s\\n' \"\$$uciprov__name\""
}

# uciprov_set MACRO VALUE [authentic]: add or change a macro for the rest of the run. `authentic` vouches for a value no network taught.
uciprov_set() {
	case ${1-} in
	'' | *[!a-z0-9_]* | [!a-z]*) uciprov__fault "uciprov_set: ${1-} is no name of a macro"; return 2 ;;
	esac
	case ${3-} in
	'' | authentic) ;;
	*) uciprov__fault "uciprov_set: $3 is not 'authentic'"; return 2 ;;
	esac
	uciprov__say set "$1" "${2-}" "${3-}" || return 2
	eval "export UCIPROV_MACRO_$1=\${2-}"
}

# uciprov_uri NAME URI [large]: in the preamble: fetch URI, a template with macros, as the resource NAME. In geturi, with the NAME base_uri:
# this is where the tree is.
uciprov_uri() {
	case ${1-} in
	'' | *[!a-z0-9_]* | [!a-z]*) uciprov__fault "uciprov_uri: ${1-} is no name of a resource"; return 2 ;;
	esac
	case ${3-} in
	'' | large) ;;
	*) uciprov__fault "uciprov_uri: $3 is not 'large'"; return 2 ;;
	esac
	uciprov__say uri "$1" "${2-}" "${3-}"
}

# uciprov_fetch NAME FILE: copy what came for the resource NAME to FILE. Status 1 if the tree has none for this device.
uciprov_fetch() {
	case ${1-} in
	'' | *[!a-z0-9_]*) return 1 ;;
	esac
	[ -n "${UCIPROV_WORK-}" ] && [ -f "$UCIPROV_WORK/resource-$1" ] || return 1
	cat "$UCIPROV_WORK/resource-$1" >"$2"
}

# uciprov_log [debug|info|warning|error] MESSAGE...: a line in the log.
uciprov_log() {
	uciprov__level=info
	case ${1-} in
	debug | info | warning | error) uciprov__level=$1; shift ;;
	esac
	uciprov__say log "$uciprov__level" "$(uciprov__plain "$*")"
}

# uciprov_deadline SECONDS: in the preamble: how long each function may take, 60 if not said, 600 at most.
uciprov_deadline() {
	case ${1-} in
	'' | *[!0-9]* | ????*) uciprov__fault "uciprov_deadline: ${1-} is no number of seconds"; return 2 ;;
	esac
	uciprov__say deadline "$1"
}

# In the stage plan only: what is to be on the device. Nothing is written now: it becomes part of the plan.

# uciprov_file PATH FILE [MODE [USER:GROUP]]: PATH gets the content FILE has now; 0644 if no mode is given. USER or GROUP may be empty.
uciprov_file() {
	uciprov__keep "$2" || { uciprov__fault "uciprov_file: cannot read ${2-}"; return 2; }
	case ${4-} in
	'' | *:*) ;;
	*) uciprov__fault "uciprov_file: $4 is not USER:GROUP"; return 2 ;;
	esac
	uciprov__say file "$1" "$uciprov__kept" "${3:-0644}" "${4-}"
}

# uciprov_link PATH TARGET: PATH is a link to TARGET.
uciprov_link() {
	uciprov__say link "$1" "$2"
}

# uciprov_remove PATH: PATH is not there.
uciprov_remove() {
	uciprov__say remove "$1"
}

# uciprov_merge FILE: UCI packages, as `uci export` prints them, laid over the device's.
uciprov_merge() {
	uciprov__keep "$1" || { uciprov__fault "uciprov_merge: cannot read ${1-}"; return 2; }
	uciprov__say merge "$uciprov__kept"
}

# uciprov_service NAME enabled|disabled|started|stopped: whether it starts at boot; whether it runs from now on.
# uciprov_service NAME reload|restart PATH...: do that to it when one of these paths changes in this plan (a folder ends with /).
uciprov_service() {
	case ${2-} in
	enabled | disabled | started | stopped)
		[ $# -eq 2 ] || { uciprov__fault "uciprov_service: nothing follows $2"; return 2; } ;;
	reload | restart)
		[ $# -gt 2 ] || { uciprov__fault "uciprov_service: $2 needs the paths because of which"; return 2; } ;;
	*) uciprov__fault "uciprov_service: ${2-} is none of enabled, disabled, started, stopped, reload, restart"; return 2 ;;
	esac
	uciprov__say service "$@"
}

# uciprov_reboot REASON: what this plan changes takes effect only with a reboot.
uciprov_reboot() {
	uciprov__say reboot "$(uciprov__plain "$*")"
}

# uciprov_package NAME...: software packages that are to be there; with a leading - not to be.
uciprov_package() {
	uciprov__say package "$@"
}

# uciprov_fault MESSAGE...: something is wrong with what came; the plan is refused, once all faults are told.
uciprov_fault() {
	uciprov__say fault "$(uciprov__plain "$*")"
}

# uciprov_warn MESSAGE...: something is odd with what came; the plan stands.
uciprov_warn() {
	uciprov__say warn "$(uciprov__plain "$*")"
}

uciprov__say() {
	uciprov__line=$1
	shift
	for uciprov__field; do
		case $uciprov__field in
		*[[:cntrl:]]*)
			uciprov__fault "uciprov: a tab, a line end or another control character in: $(uciprov__plain "$uciprov__field")"
			return 2 ;;
		esac
		uciprov__line="$uciprov__line	$uciprov__field"
	done
	printf '%s\n' "$uciprov__line" >&3
}

uciprov__plain() {
	printf '%s' "$1" | tr '\000-\037\177' ' '
}

uciprov__fault() {
	printf 'broken\t%s\n' "$(uciprov__plain "$1")" >&3
}

uciprov__keep() {
	[ -n "${UCIPROV_WORK-}" ] && [ -f "${1-}" ] || return 1
	uciprov__kept=$(mktemp "$UCIPROV_WORK/kept-XXXXXX") || return 1
	cat "$1" >"$uciprov__kept" || return 1
	uciprov__kept=${uciprov__kept##*/}
}
