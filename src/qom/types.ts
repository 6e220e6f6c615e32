/** Property types as `qom-list` writes them: `child<T>`, `link<T>`, or the name of a value's type. */

export type PropertyType =
	| { readonly kind: "child"; readonly type: string }
	| { readonly kind: "link"; readonly type: string }
	| { readonly kind: "value"; readonly type: string };

/**
 * Type names may hold spaces (`struct tm`) and may be empty, so only the two
 * wrappers are recognised. A value's type name promises nothing about its JSON kind.
 */
export function parseType(text: string): PropertyType {
	const [, kind, type] = /^(child|link)<(.*)>$/s.exec(text) ?? [];
	if (kind === "child" || kind === "link") return { kind, type: type ?? "" };
	return { kind: "value", type: text };
}

/** `on/off/auto`, or `Error handling policy (report/ignore/stop)`: so QEMU describes enumerations. */
const listed = /(?:^|\()([\w.-]+(?:\/[\w.-]+)+)\)?$/;

/**
 * @param type of the property, as `qom-list` or `device-list-properties` writes it
 * @returns none where it is no boolean, and no enumeration that its description lists
 */
export function choicesIn(
	type: string,
	description: string | undefined,
): readonly string[] {
	if (type === "bool") return ["on", "off"];
	return listed.exec(description ?? "")?.[1]?.split("/") ?? [];
}
