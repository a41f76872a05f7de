# Sourced before recover.sh: every tool that changes the disk is a step. CUT_AT=N kills the shell before step N; WATCHED=1 says each step
# to whoever holds the other end of descriptor 4, and waits until that one has looked at the disk. cp and printf are seen half way
# (they get half way before they are cut), and rm -rf file by file. Flushing is a step that does nothing, since the disk of these tests is in RAM.
# The tools are busybox's own: no other program is started, which makes a step three times as quick.
# shellcheck shell=sh
steps=0

# step: counts, tells, and says whether the power fails here.
step() {
	steps=$((steps + 1))
	if [ -n "${WATCHED:-}" ]; then
		echo >&4
		read -r _ <&4
	fi
	[ "$steps" -eq "${CUT_AT:-0}" ]
}

power_off() {
	kill -9 $$
	sleep 60
}

cp() {
	if [ ! -L "$2" ]; then
		command head -c $(($(command wc -c <"$2") / 2)) "$2" >"$3"
	fi
	step && power_off
	[ -L "$2" ] || command rm "$3"
	command cp "$@"
}

# A line of a file is half there at the step, and not said again.
printf() {
	half=''
	if [ "$1" = '%s\n' ]; then
		half=${2%"${2#????}"}
		command printf '%s' "$half"
	fi
	step && power_off
	if [ -n "$half" ]; then
		command printf '%s\n' "${2#"$half"}"
	else
		command printf "$@"
	fi
}

mv() {
	step && power_off
	command mv "$@"
}

rm() {
	if [ "$1" = -rf ] && [ -d "$2" ]; then
		# The names in uciprov's folder are numbers and words.
		for one in $(command find "$2" -depth); do
			step && power_off
			if [ -d "$one" ] && [ ! -L "$one" ]; then command rmdir "$one"; else command rm -f "$one"; fi
		done
		return 0
	fi
	step && power_off
	command rm "$@"
}

rmdir() {
	step && power_off
	command rmdir "$@"
}

mkdir() {
	step && power_off
	command mkdir "$@"
}

fsync() {
	step && power_off
	return 0
}

sync() {
	step && power_off
	return 0
}
