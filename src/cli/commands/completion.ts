/** `qomfs completion`: the scripts with which a shell asks `qomfs complete` for words. */
import { UsageError } from "../../errors.ts";
import type { CommandDefinition } from "../command.ts";
import { launcherNames } from "../launchers.ts";
import { print } from "../output.ts";

export const command: CommandDefinition = {
	arguments: [
		{
			name: "<shell>",
			help: "bash, zsh or fish",
			complete: () => [...scripts.keys()],
		},
	],
	options: [],
	async run([shell = ""]) {
		const script = scripts.get(shell);
		if (!script)
			throw new UsageError(
				`unknown shell '${shell}'; it must be bash, zsh or fish`,
			);
		print(script);
	},
};

const names = launcherNames.join(" ");

// If nothing is printed, the shells complete file names.
const scripts: ReadonlyMap<string, string> = new Map([
	[
		"bash",
		`_qomfs() {
	local found
	COMPREPLY=()
	if ! found=$(qomfs complete bash "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null); then
		compopt +o bashdefault +o default
		return 0
	fi
	[[ $found ]] && mapfile -t COMPREPLY <<< "$found"
	[[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[/.=] ]] && compopt -o nospace
	return 0
}
complete -o bashdefault -o default -F _qomfs ${names}`,
	],
	[
		"zsh",
		`#compdef ${names}
_qomfs() {
	local text
	local -a found
	text=$(qomfs complete zsh "\${(j: :)words[1,CURRENT]}" 2>/dev/null) || return 1
	[[ -z $text ]] && { _files; return }
	found=("\${(@f)text}")
	compadd -S '' -- \${(M)found:#*[/.=]}
	compadd -- \${found:#*[/.=]}
}
if (( $+functions[compdef] )); then
	compdef _qomfs ${names}
else
	print -u2 'qomfs: first let zsh complete: autoload -Uz compinit; compinit'
fi`,
	],
	[
		"fish",
		`function __qomfs
	set -l found (qomfs complete fish (commandline -cp | string collect) 2>/dev/null)
	or return
	if set -q found[1]
		printf '%s\\n' $found
	else
		__fish_complete_path (commandline -ct)
	end
end
for name in ${names}
	complete -c $name -f -a '(__qomfs)'
end`,
	],
]);
