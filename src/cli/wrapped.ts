/** Words in lines that a page of a manual has room for. */
const maxWidth = 72;

/** @param separator between two words, also at the end of a line that goes on */
export function wrapped(
	words: readonly string[],
	separator: string,
): readonly string[] {
	const lines: string[] = [];
	let line = "";
	for (const word of words) {
		const longer = line === "" ? word : `${line}${separator}${word}`;
		if (line !== "" && longer.length > maxWidth) {
			lines.push(`${line}${separator.trimEnd()}`);
			line = word;
		} else line = longer;
	}
	return line === "" ? lines : [...lines, line];
}
