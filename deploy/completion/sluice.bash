# bash completion for sluice(1)
_sluice()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		serve | demo | check)
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
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word")
		return
		;;
	esac
	case $command in
	serve) mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word") ;;
	demo) mapfile -t COMPREPLY < <(compgen -W '--serve --help' -- "$word") ;;
	check)
		if [[ $word == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--format --help' -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -f -X '!*.@(yaml|yml)' -- "$word"; compgen -d -S / -- "$word")
			compopt -o nospace -o filenames 2>/dev/null
		fi
		;;
	*) mapfile -t COMPREPLY < <(compgen -W 'serve demo check --version --print-config --help' -- "$word") ;;
	esac
}
complete -F _sluice sluice
