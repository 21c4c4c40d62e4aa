# docs/security.md promises a verdict for each attack and names the tests that show it: every row has a test that exists, and the lines of the attack
# suite say what the row says, no more and no less.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

# held_against TABLE TESTS: prints what does not fit
held_against() {
	# the suite: "NUMBER VERDICT FILE" for each line that judges
	for script in "$2"/attacks/*.sh; do
		sed -n "s/^[[:space:]]*\(stopped\|bounded\|told\|not_stopped\|ends\|refused_comment\) \([0-9][0-9]*\) .*/\2 \1 ${script##*/}/p
			s/^.* \(ends\|refused_comment\) \([0-9][0-9]*\) .*/\2 \1 ${script##*/}/p" "$script"
	done | sed 's/ ends / bounded /; s/ refused_comment / stopped /; s/ not_stopped / not-stopped /' | sort -u >"$tmp/judged"
	sed -n 's/^| *\([0-9][0-9]*\) |[^|]*| *\([a-z, ]*[a-z]\) *|.*| *\([^|]*\) |$/\1|\2|\3/p' "$1" >"$tmp/rows"
	for number in $(seq 1 90); do
		case $number in 7 | 11 | 59) continue ;; esac
		[ "$(grep -c "^$number|" "$tmp/rows")" = 1 ] || echo "row $number: there is not exactly one"
	done
	while IFS='|' read -r number verdicts tests; do
		verdicts=$(echo "$verdicts" | sed 's/not stopped/not-stopped/g; s/,//g')
		elsewhere=''
		for word in $verdicts; do
			case $word in stopped | bounded | told | not-stopped) ;; *) echo "row $number: no verdict is called $word" ;; esac
		done
		echo "$tests" | grep -o '`[^`]*`' | tr -d '`' >"$tmp/tests"
		[ -s "$tmp/tests" ] || echo "row $number: names no test"
		while read -r test; do
			file=${test%%: *}
			case $file in
			attacks/*)
				[ "$file" = "$test" ] || echo "row $number: $test: the suite is named by file"
				grep -q "^$number [a-z-]* ${file#attacks/}\$" "$tmp/judged" || echo "row $number: $file does not judge it"
				;;
			*)
				elsewhere=yes
				[ "$file" != "$test" ] || echo "row $number: $test names no case"
				grep -qF -- "${test#*: }" "$2/$file" 2>/dev/null || echo "row $number: $file has no '${test#*: }'"
				;;
			esac
		done <"$tmp/tests"
		for word in $verdicts; do
			[ -n "$elsewhere" ] || grep -q "^$number $word " "$tmp/judged" || echo "row $number: no test says $word"
		done
		sed -n "s/^$number //p" "$tmp/judged" >"$tmp/said"
		while read -r word file; do
			case " $verdicts " in *" $word "*) ;; *) echo "row $number: $file says $word, the row does not" ;; esac
			grep -qx "attacks/$file" "$tmp/tests" || echo "row $number: it does not name $file, which judges it"
		done <"$tmp/said"
	done <"$tmp/rows"
	cut -d ' ' -f 1 "$tmp/judged" | sort -un | while read -r number; do
		grep -q "^$number|" "$tmp/rows" || echo "row $number is judged and is no row"
	done
}

same "the table and the tests agree" "" "$(held_against "$root/docs/security.md" "$root/tests")"

# and would not, were one of them different
sed 's/^| 17 | \(.*\) | stopped |/| 17 | \1 | told |/; /^| 90 |/d; s/`attacks\/box.sh`, `component\/test_egress_proxy.c: [^`]*`/`component\/test_egress_proxy.c: never-a-case`/' \
	"$root/docs/security.md" >"$tmp/other.md"
held_against "$tmp/other.md" "$root/tests" >"$tmp/differences"
says "another verdict is seen" "row 17: no test says told" "$tmp/differences"
says "a test that says more is seen" "row 17: box.sh says stopped, the row does not" "$tmp/differences"
says "a missing row is seen" "row 90: there is not exactly one" "$tmp/differences"
says "a case that is not there is seen" "row 25: component/test_egress_proxy.c has no 'never-a-case'" "$tmp/differences"
says "a test that is not named is seen" "row 25: it does not name box.sh, which judges it" "$tmp/differences"
finish
