/**
 * Patterns for names and paths: `*` and `?` within a name, `**` for names at any depth.
 * Brackets stand for themselves, for QOM is full of `device[0]` and `sysbus-irq[3]`.
 */
import { pathNames, type QomPath, rootPath } from "./path.ts";
import type { PropertyInfo } from "./source.ts";

export function isPattern(text: string): boolean {
	return /[*?]/.test(text);
}

/** Whether a name, or any text, fits a pattern as a whole. */
export function matcher(pattern: string): (text: string) => boolean {
	if (!isPattern(pattern)) return (text) => text === pattern;
	const characters = [...pattern];
	return (text) => fits(characters, [...text]);
}

/** Only the last `*` has to be tried again, so the time is at most the product of both lengths. */
function fits(pattern: readonly string[], text: readonly string[]): boolean {
	let [at, from] = [0, 0];
	let star: { readonly at: number; taken: number } | undefined;
	while (from < text.length) {
		const character = pattern[at];
		if (character === "*") star = { at: at++, taken: from };
		else if (character === "?" || character === text[from]) {
			at++;
			from++;
		} else if (star) {
			at = star.at + 1;
			from = ++star.taken;
		} else return false;
	}
	return pattern.slice(at).every((character) => character === "*");
}

/**
 * Whether a path of children fits a pattern, as {@link matchObjects} finds it but for links in it.
 *
 * @param pattern for objects
 */
export function pathMatcher(pattern: string): (path: QomPath) => boolean {
	const names = pathNames(pattern);
	if (!pattern.startsWith("/")) names.unshift("**");
	const matchers = names.map((name) =>
		name === "**" ? undefined : matcher(name),
	);
	return (path) => {
		/** How many names of the pattern may have been matched so far. */
		let reached = new Set(skipped(0));
		for (const name of pathNames(path)) {
			const next = new Set<number>();
			for (const at of reached) {
				if (at === matchers.length) continue;
				const matches = matchers[at];
				// A `**` may stand for this name, too, and more.
				if (!matches) for (const each of skipped(at)) next.add(each);
				else if (matches(name))
					for (const each of skipped(at + 1)) next.add(each);
			}
			reached = next;
		}
		return reached.has(matchers.length);
	};

	/** A `**` may stand for nothing. */
	function skipped(at: number): number[] {
		const found = [at];
		while (at < names.length && names[at] === "**") found.push(++at);
		return found;
	}
}

/** The object above everything that a pattern for objects can mean. */
export function fixedPart(pattern: string): QomPath {
	if (!pattern.startsWith("/")) return rootPath;
	const names = pathNames(pattern);
	const first = names.findIndex(isPattern);
	return `/${names.slice(0, first < 0 ? names.length : first).join("/")}`;
}

/** The entries whose name a pattern means: that very name where there is one, for names hold `*`. */
export function matchNames(
	entries: readonly PropertyInfo[],
	pattern: string,
): readonly PropertyInfo[] {
	const same = entries.filter(({ name }) => name === pattern);
	if (same.length > 0) return same;
	const matches = matcher(pattern);
	return entries.filter(({ name }) => matches(name));
}
