# Sourced before recover.sh: every tool that changes the disk counts, and at number CUT_AT the shell is killed; cp and printf get
# half way first. Flushing is counted and left out, since the disk of these tests is in RAM.
# shellcheck shell=sh
steps=0

cut_here() {
	steps=$((steps + 1))
	[ "$steps" -eq "${CUT_AT:-0}" ]
}

power_off() {
	kill -9 $$
	sleep 60
}

cp() {
	if cut_here; then
		[ -L "$2" ] || busybox head -c $(($(busybox wc -c <"$2") / 2)) "$2" >"$3"
		power_off
	fi
	busybox cp "$@"
}

printf() {
	if cut_here; then
		command printf '%.4s' "$2"
		power_off
	fi
	command printf "$@"
}

mv() {
	cut_here && power_off
	busybox mv "$@"
}

rm() {
	cut_here && power_off
	busybox rm "$@"
}

rmdir() {
	cut_here && power_off
	busybox rmdir "$@"
}

mkdir() {
	cut_here && power_off
	busybox mkdir "$@"
}

fsync() {
	cut_here && power_off
	return 0
}

sync() {
	cut_here && power_off
	return 0
}
