# bash completion for sluice(1)
_sluice()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word_list= i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		serve | setup | demo | check | state | sandbox | doctor | audit | --print-config)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $previous in
	--config)
		mapfile -t COMPREPLY < <(compgen -f -X '!*.@(yaml|yml)' -- "$word"; compgen -d -S / -- "$word")
		compopt -o nospace -o filenames 2>/dev/null
		return
		;;
	--database | --public-key)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	--profile)
		mapfile -t COMPREPLY < <(compgen -W 'plan apply compat' -- "$word")
		return
		;;
	--root)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'json' -- "$word")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'err warn info debug' -- "$word")
		return
		;;
	--port | --repo | --to | --since | --expect) return ;; # a number
	--workspace) return ;;           # a name
	esac
	case $command in
	serve) mapfile -t COMPREPLY < <(compgen -W '--config --log-level' -- "$word") ;;
	demo) mapfile -t COMPREPLY < <(compgen -W '--serve --port' -- "$word") ;;
	state) mapfile -t COMPREPLY < <(compgen -W 'list show pull push rollback --config --repo --workspace --to --format' -- "$word") ;;
	sandbox) mapfile -t COMPREPLY < <(compgen -W '--profile --root --allow --env --config --limit --json --' -- "$word") ;;
	setup) mapfile -t COMPREPLY < <(compgen -W '--config --url --listen --github --org --api' -- "$word") ;;
	audit) mapfile -t COMPREPLY < <(compgen -W 'verify export --config --database --public-key --expect --since --repo --format' -- "$word") ;;
	doctor) mapfile -t COMPREPLY < <(compgen -W '--config --format' -- "$word") ;;
	check | --print-config)
		if [[ $word == -* ]]; then
			[[ $command == check ]] && word_list=--format || word_list=--reference
			mapfile -t COMPREPLY < <(compgen -W "$word_list" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -f -X '!*.@(yaml|yml)' -- "$word"; compgen -d -S / -- "$word")
			compopt -o nospace -o filenames 2>/dev/null
		fi
		;;
	*) mapfile -t COMPREPLY < <(compgen -W 'serve setup demo check state doctor audit --version --print-config --help' -- "$word") ;;
	esac
}
complete -F _sluice sluice
