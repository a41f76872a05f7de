# awk -f default-config.awk .config files/etc/config/uciprov: the default settings of a build, on standard output.
# The first file is the build's choices (symbols CONFIG_UCIPROV_…, see Config.in), the second the commented settings, to which the chosen
# ones are added below their section's head. Any POSIX awk will do. Status 1, and why on standard error, if a choice cannot stand.

FNR == 1 {
	file++
	if (file == 2) choose()
}

file == 1 {
	if (match($0, /^CONFIG_UCIPROV_[A-Z0-9_]+=/)) {
		name = substr($0, 16, RLENGTH - 16)
		symbol[name] = value_of(substr($0, RLENGTH + 1))
	}
	next
}

{
	print
	if ($1 == "config" && $2 == "uciprov") {
		name = $3
		gsub(/'/, "", name)
		printf "%s", chosen[name]
		delete chosen[name]
	}
}

END {
	if (file < 2) fail("two files are wanted: .config and the settings")
	for (name in chosen) if (chosen[name] != "") fail("the settings have no section " name)
	if (!failed) printf "%s", more
	exit failed
}

# kconfig writes strings between quotes, with \ before a quote or a \ in them; numbers and y as they are.
function value_of(text,    out, i, c) {
	if (substr(text, 1, 1) != "\"") return text
	text = substr(text, 2, length(text) - 2)
	out = ""
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "\\") c = substr(text, ++i, 1)
		out = out c
	}
	return out
}

function choose() {
	if (is_on("USE_STATIC")) set("static", "option", "base_uri", needed("BASE_URI"))
	if (is_on("USE_HTTPS")) set("https", "option", "uri", needed("HTTPS_URI"))
	if (is_on("USE_DNSSEC")) {
		set("dnssec", "option", "name", needed("DNSSEC_NAME"))
		set("dnssec", "list", "anchor", symbol["DNSSEC_ANCHOR"])
	}
	if (is_on("USE_DNS")) set("dns", "option", "name", symbol["DNS_NAME"])
	else set("dns", "option", "enabled", "0")
	if (!is_on("USE_DHCP")) set("dhcp", "option", "enabled", "0")
	if (!is_on("USE_LLDP")) set("lldp", "option", "enabled", "0")

	if (is_on("TRUST_SIGNED")) set("main", "option", "trust", "signed")
	if (is_on("TRUST_ANY")) set("main", "option", "trust", "any")
	if (symbol["THRESHOLD"] != 1) set("main", "option", "threshold", symbol["THRESHOLD"])
	if (symbol["CA"] != "") set("main", "list", "ca", "/etc/uciprov/ca.pem")
	words("main", "allowed_host", symbol["ALLOWED_HOSTS"])

	if (is_on("BY_CROND")) set("schedule", "option", "by", "crond")
	if (symbol["CRON"] != "*/30 * * * *") set("schedule", "option", "cron", symbol["CRON"])

	resource("default", "URI_DEFAULT", "{base_uri}/default{fd}.uci")
	resource("board", "URI_BOARD", "{base_uri}/{board}{fd}.uci")
	resource("hostname", "URI_HOSTNAME", "{base_uri}/{hostname}{fd}.uci")
	resource("mac", "URI_MAC", "{base_uri}/{mac}{fd}.uci")
	resource("overlay", "URI_OVERLAY", "{base_uri}/overlay{fd}.tar.gz")
	resource("image", "URI_IMAGE", "{base_uri}/image{fd}.bin")
	resource("authorized_keys", "URI_AUTHORIZED_KEYS", "{base_uri}/authorized_keys{fd}")
	resource("packages", "URI_PACKAGES", "{base_uri}/packages{fd}")
	resource("services", "URI_SERVICES", "{base_uri}/services{fd}")

	for (number = 1; number <= 6; number++) macro(symbol["MACRO_" number])
}

function is_on(name) {
	return symbol[name] == "y"
}

function needed(name) {
	if (symbol[name] == "") print "uciprov: UCIPROV_" name " is empty: that protocol finds nothing" >"/dev/stderr"
	return symbol[name]
}

# An empty value is no option in UCI.
function set(section, keyword, name, value) {
	if (value != "") chosen[section] = chosen[section] "\t" keyword " " name " " quoted(value) "\n"
}

function words(section, name, text,    all, count, i) {
	count = split(text, all, /[ \t]+/)
	for (i = 1; i <= count; i++) set(section, "list", name, all[i])
}

# Says something only where the choice is not what the module does anyway.
function resource(name, from, usual) {
	if (!(from in symbol) || symbol[from] == usual) return
	more = more "\nconfig resource " quoted(name) "\n"
	if (symbol[from] == "") more = more "\toption enabled '0'\n"
	else more = more "\toption uri " quoted(symbol[from]) "\n"
}

function macro(text,    at, name) {
	if (text == "") return
	at = index(text, "=")
	name = substr(text, 1, at - 1)
	if (name !~ /^[a-z][a-z0-9_]*$/) fail("a macro is NAME=VALUE, with lower-case letters, digits and _ in its name: " text)
	else more = more "\nconfig macro " quoted(name) "\n\toption value " quoted(substr(text, at + 1)) "\n"
}

# As libuci quotes: nothing is special between single quotes but they themselves.
function quoted(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

function fail(why) {
	print "uciprov: " why >"/dev/stderr"
	failed = 1
}
