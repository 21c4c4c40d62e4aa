# Links of a Markdown file, one a line: "LINE TARGET ANCHOR" with - for what is empty; outside addresses are left out.
# With -v anchors=1: the anchors that its headings make.

function slug(s) {
	s = tolower(s)
	gsub(/`/, "", s)
	gsub(/[^a-z0-9 _-]/, "", s)
	gsub(/ /, "-", s)
	return s
}

/^(```|~~~)/ { fenced = !fenced; next }
fenced { next }
anchors && /^#+ / { sub(/^#+ */, ""); sub(/ *#*$/, ""); print slug($0) }
!anchors {
	rest = $0
	gsub(/`[^`]*`/, "", rest)
	while (match(rest, /\]\([^)]*\)/)) {
		target = substr(rest, RSTART + 2, RLENGTH - 3)
		rest = substr(rest, RSTART + RLENGTH)
		sub(/ +".*$/, "", target)
		if (target ~ /^[a-z]+:/ || target == "") continue
		anchor = "-"
		if ((at = index(target, "#")) > 0) {
			anchor = substr(target, at + 1)
			target = substr(target, 1, at - 1)
		}
		print NR, target == "" ? "-" : target, anchor
	}
}
