/** What a user may have meant by a name that does not exist. */

/**
 * The names that were probably meant: those that begin with what was typed, the shortest first,
 * then those within one typing mistake for every three characters, the most alike first. If the
 * very name is among them, it alone.
 */
export function nearest(
	wanted: string,
	names: Iterable<string>,
): readonly string[] {
	const known = [...new Set(names)];
	if (known.includes(wanted)) return [wanted];
	const most = Math.max(1, Math.floor(wanted.length / 3));
	const alike = known
		.filter(({ length }) => Math.abs(length - wanted.length) <= most)
		.map((name) => ({
			name,
			mistakes: mistakesBetween(wanted.toLowerCase(), name.toLowerCase()),
		}))
		.filter(({ mistakes }) => mistakes <= most && mistakes < wanted.length)
		.sort((a, b) => a.mistakes - b.mistakes);
	const longer =
		wanted.length < shortestBeginning
			? []
			: known
					.filter((name) => name.startsWith(wanted))
					.sort((a, b) => a.length - b.length);
	return [...new Set([...longer, ...alike.map(({ name }) => name)])];
}

/** A single character says too little about the rest. */
const shortestBeginning = 2;

/** `did you mean 'NAME'?` with the nearest name, if there is one. */
export function didYouMean(
	wanted: string,
	names: Iterable<string>,
): string | undefined {
	const [name] = nearest(wanted, names);
	return name === undefined ? undefined : `did you mean '${name}'?`;
}

/**
 * How many typing mistakes make one text of the other: a character that is added, left out or
 * wrong, or two neighbours that are swapped (the distance of "optimal string alignment").
 */
export function mistakesBetween(a: string, b: string): number {
	let rowBefore: readonly number[] = [];
	/** How many mistakes make the first characters of `a` each beginning of `b`. */
	let row: readonly number[] = Array.from(
		{ length: b.length + 1 },
		(_, i) => i,
	);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const isSame = a[i - 1] === b[j - 1];
			const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
			next.push(
				Math.min(
					entry(row, j) + 1,
					entry(next, j - 1) + 1,
					entry(row, j - 1) + (isSame ? 0 : 1),
					isSwapped ? entry(rowBefore, j - 2) + 1 : Number.POSITIVE_INFINITY,
				),
			);
		}
		rowBefore = row;
		row = next;
	}
	return entry(row, b.length);
}

/** Infinite outside of the table. */
function entry(row: readonly number[], index: number): number {
	return row[index] ?? Number.POSITIVE_INFINITY;
}
