/**
 * `qomfs completion`: the scripts that make a shell ask `qomfs complete` what may stand at
 * the cursor.
 */
import { UsageError } from "../errors.ts";
import { launcherNames } from "./launchers.ts";
import { print } from "./output.ts";

/** @throws UsageError another shell */
export async function runCompletion(shell: string): Promise<void> {
	const script = scripts.get(shell);
	if (!script) throw new UsageError(`${shell}: it has to be bash or zsh`);
	print(script);
}

const names = launcherNames.join(" ");

// Where nothing is said, both shells complete file names.
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
compdef _qomfs ${names}`,
	],
]);
