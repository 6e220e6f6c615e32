/** Canonical QOM paths: absolute, `/` between names, no `.` or `..` (QEMU knows neither). */

import { ValueError } from "../errors.ts";

export type QomPath = string;

export const rootPath: QomPath = "/";

export function joinPath(parent: QomPath, name: string): QomPath {
	return parent === rootPath ? `/${name}` : `${parent}/${name}`;
}

/** Splits `/machine/q35` into `["/machine", "q35"]`; the root has an empty name. */
export function splitPath(path: QomPath): [parent: QomPath, name: string] {
	const slash = path.lastIndexOf("/");
	return [slash <= 0 ? rootPath : path.slice(0, slash), path.slice(slash + 1)];
}

/** `/machine/` is `/machine`; the root stays. */
export function withoutTrailingSlashes(path: string): QomPath {
	return path.replace(/(?<=.)\/+$/, "");
}

/** The text of a symlink in directory `from` that leads to `to`, and never above the root. */
export function relativePath(from: QomPath, to: QomPath): string {
	const fromNames = pathNames(from);
	const toNames = pathNames(to);
	let common = 0;
	while (common < fromNames.length && fromNames[common] === toNames[common])
		common++;
	const up = fromNames.slice(common).map(() => "..");
	return [...up, ...toNames.slice(common)].join("/") || ".";
}

/**
 * What a symlink's target in directory `from` means, as the kernel would walk it;
 * an absolute one is a QOM path.
 *
 * @throws ValueError when it leads above the root
 */
export function resolvePath(from: QomPath, target: string): QomPath {
	const names = target.startsWith("/") ? [] : pathNames(from);
	for (const name of pathNames(target)) {
		if (name === ".") continue;
		if (name !== "..") names.push(name);
		else if (names.pop() === undefined)
			throw new ValueError(`${target} leads out of the tree`);
	}
	return `/${names.join("/")}`;
}

/** Whether a QOM name can be a file name: QEMU allows more than the kernel does. */
export function isFileName(name: string): boolean {
	return (
		name !== "" &&
		name !== "." &&
		name !== ".." &&
		!/[/\0]/.test(name) &&
		name.isWellFormed() &&
		Buffer.byteLength(name) <= maxNameBytes
	);
}

/** Longest file name; Linux's NAME_MAX. */
export const maxNameBytes = 255;

/** Whether the value of a link is a path that stays inside the tree; a hostile peer may send any. */
export function isCanonicalPath(text: string): boolean {
	return (
		text === rootPath ||
		(text.startsWith("/") && text.slice(1).split("/").every(isFileName))
	);
}

/** `/machine/q35` -> `["machine", "q35"]`. */
export function pathNames(path: QomPath): string[] {
	return path.split("/").filter((name) => name !== "");
}
