#!/bin/sh
# Runs a shell module for uciprov; not for people.
#
#   module.sh FILE list     source FILE and say, on descriptor 1, which hooks and resources it adds
#   module.sh FILE STAGE    source FILE and call, in the order they were added, its functions for STAGE
#
# The module runs in a shell of its own below this one: its $PPID is not uciprov, so a hook that kills its parent kills only this
# script. Status: the first function's that is not 0; 75 asks to try later; 125 a module that does not load or says nonsense.

LC_ALL=C
export LC_ALL
umask 077

case ${3-} in
inside) ;;
'')
	sh "$0" "$1" "$2" inside </dev/null 3>&1 1>&2
	exit $?
	;;
*) exit 125 ;;
esac

uciprov__run_file=$1
uciprov__run_stage=$2
uciprov__hooks=

# shellcheck source=/dev/null
. "${0%/*}/functions.sh" || exit 125
set --
# shellcheck source=/dev/null
. "$uciprov__run_file"
# Whatever the module set or redefined must not stand in the way of the rest of this script.
set +eufx
unset -f printf read type '[' 2>/dev/null
IFS=' 	
'
# shellcheck source=/dev/null
. "${0%/*}/functions.sh" || exit 125

uciprov__check() {
	case $(type "$2" 2>/dev/null) in
	*' function'*) ;;
	*)
		uciprov__fault "it adds $2 to $1, but has no function of that name"
		exit 125
		;;
	esac
	[ "$uciprov__run_stage" != list ] || uciprov__say hook "$1" "$2"
}

uciprov__functions=
while read -r uciprov__a uciprov__b; do
	[ -n "$uciprov__a" ] || continue
	uciprov__check "$uciprov__a" "$uciprov__b"
	[ "$uciprov__a" != "$uciprov__run_stage" ] || uciprov__functions="$uciprov__functions $uciprov__b"
done <<END
$uciprov__hooks
END
uciprov__say loaded
[ "$uciprov__run_stage" != list ] || exit 0

# The functions run in this shell, one after the other, so that one can leave a variable to the next.
for uciprov__function in $uciprov__functions; do
	"$uciprov__function" || exit $?
done
exit 0
