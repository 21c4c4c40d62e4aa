# The structure rules for C. Called by scripts/check-structure with every .c and .h as arguments.

function finding(line, text) { print FILENAME ":" line ": " text }

# Blanks comments and the inside of string and character literals, keeping the length. `in_comment` carries over from line to line.
function bare(s,    out, i, c, two, quote) {
	out = ""
	quote = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		two = substr(s, i, 2)
		if (in_comment) {
			if (two == "*/") { in_comment = 0; i++; out = out " " }
			out = out " "
		} else if (quote != "") {
			if (c == "\\") { i++; out = out "  " }
			else if (c == quote) { quote = ""; out = out c }
			else out = out " "
		} else if (two == "/*") { in_comment = 1; i++; out = out "  " }
		else if (two == "//") break
		else { if (c == "\"" || c == "'") quote = c; out = out c }
	}
	return out
}

function folder_of(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "" }

BEGIN {
	# Layers: an include may go down or stay, never up; github and secrets stand beside each other.
	rank["base"] = 0; rank["secrets"] = 1; rank["github"] = 1; rank["runner"] = 2; rank["plan"] = 3; rank["webhooks"] = 4; rank["cmd"] = 5
	rank["web"] = 5; rank["tests"] = 6
	# The one file that may include a library.
	door["cJSON"] = "base/json.c"; door["libfyaml"] = "base/yaml.c"; door["openssl"] = "base/crypto.c"
	door["microhttpd"] = "base/http_server.c"; door["curl"] = "base/http_client.c"; door["sqlite3"] = "base/db_sqlite.c"
	door["git2"] = "base/git.c"; door["seccomp"] = "runner/seccomp_gen.c"
	# Any file, but only one of them.
	single["zlib"] = 1
	why["strcpy"] = "use memcpy or xstrdup"; why["strcat"] = "use struct buf"; why["sprintf"] = "use snprintf"; why["vsprintf"] = "use vsnprintf"
	why["strtok"] = "use text_* or strchr"; why["atoi"] = why["atol"] = why["atoll"] = why["strtol"] = why["strtoll"] = "use text_int"
	why["gmtime"] = why["localtime"] = "use base/clock.h"; why["access"] = "open it and look at the error"
	why["tmpnam"] = why["mktemp"] = why["tempnam"] = "use mkstemp, mkdtemp or O_TMPFILE"; why["alloca"] = "use the heap or a fixed array"
	why["gets"] = "use fgets"; why["strncpy"] = "use snprintf or memcpy"
}

FNR == 1 {
	in_comment = 0
	start = 0
	said_first = ""
	folder = folder_of(FILENAME)
	product = folder != "tests"
	header = FILENAME ~ /\.h$/
	macs = FILENAME ~ /^(secrets|webhooks)\// || FILENAME == "base/crypto.c"
	marked = -10
	opening = ""
	if (previous != "") end_of_file()
	previous = FILENAME
	previous_lines = 0
	has_step = 0
	if (header && $0 !~ /^\/\*/) finding(1, "a header opens with a comment that says what it is")
	if (!(folder in rank)) finding(1, "a folder without a place in the layers (scripts/check-c.awk)")
}

function end_of_file() {
	if (previous_lines > 500) print previous ":500: a file of " previous_lines " lines; at most 500"
	if (previous_header && previous !~ /^(base|tests|web|cmd)\// && !has_step && previous !~ /_(priv|internal)\.h$/)
		print previous ":1: a header says its step of the flow (\"Step 4.\")"
}

{
	previous_lines = FNR
	previous_header = header
	if ($0 ~ /[Ss]teps? [0-9]|[Ee]very step/) has_step = 1
	if ($0 ~ /dispatch table/) marked = FNR
	was_comment = in_comment
	code = bare($0)
}

{
	width = $0
	gsub(/\t/, "        ", width)
	if (product && length(width) > 160) finding(FNR, "a line of " length(width) " columns; aim at 140, at most 160")
	if ($0 ~ /[ \t]$/) finding(FNR, "white space at the end of the line")
}

# includes
!was_comment && /^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	target = folder_of(part[2])
	if (target == "") finding(FNR, "include \"" part[2] "\" by its path from the root")
	else if (!(target in rank)) finding(FNR, "include of an unknown folder " target "/")
	else if (folder in rank && rank[target] > rank[folder]) finding(FNR, folder "/ includes " part[2] ", which is a layer above it")
	else if (folder in rank && rank[target] == rank[folder] && target != folder)
		finding(FNR, folder "/ includes " part[2] "; the two stand beside each other")
}
!was_comment && /^[ \t]*#[ \t]*include[ \t]*</ && product {
	library = $0
	sub(/^[^<]*</, "", library)
	sub(/>.*/, "", library)
	for (name in door)
		if (library ~ "^(cjson/)?" name "[./]" && FILENAME != door[name])
			finding(FNR, "<" library "> has one door, " door[name])
	for (name in single)
		if (library ~ "^" name "[./]") {
			if (name in first_user && first_user[name] != FILENAME) finding(FNR, "<" library "> is already included by " first_user[name])
			else first_user[name] = FILENAME
		}
	if (library ~ /^uv[.\/]/ && folder != "base") finding(FNR, "<uv.h> stays under base/")
	if (library ~ /^cmocka/) finding(FNR, "a test library in the product")
}

# calls
{
	rest = code
	while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
		call = substr(rest, RSTART, RLENGTH)
		sub(/[ \t]*\($/, "", call)
		before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
		# A member or a field of the same name is not the function.
		if (call in why && before !~ /[A-Za-z0-9_.>]/) finding(FNR, call "() is banned: " why[call])
		if (call == "memcmp" && macs) finding(FNR, "memcmp() here could compare a MAC: use crypto_same")
		rest = substr(rest, RSTART + RLENGTH)
	}
	if (product && folder != "base" && code ~ /(^|[^A-Za-z0-9_])uv_[a-z]/) finding(FNR, "uv_ names stay under base/")
}

# functions: from a brace in the first column to the one that closes it
/^\{/ && !was_comment && !header { start = FNR; exempt = marked >= opened_at - 6 && marked > last_end }
/^[A-Za-z_].*\(/ && !was_comment { opened_at = FNR }
/^\}/ && !was_comment && start {
	if (FNR - start - 1 > 60 && !exempt) finding(start, "a function of " FNR - start - 1 " lines; at most 60 (say \"dispatch table\" above it if it is one)")
	start = 0
	last_end = FNR
}

END { if (previous != "") end_of_file() }
