/** The data of the page as objects that can be gone through. */
import { type Kind, kinds, type MachineData } from "../data.ts";

export interface Property {
	readonly name: string;
	readonly type: string;
	readonly kind: Kind;
	/** The value, a path, or why there is none. */
	readonly text: string;
}

export interface MachineObject {
	readonly path: string;
	readonly name: string;
	readonly type: string;
	readonly properties: readonly Property[];
	readonly children: readonly MachineObject[];
	readonly parent: MachineObject | undefined;
}

export interface Model {
	readonly root: MachineObject;
	readonly objects: ReadonlyMap<string, MachineObject>;
	/** What a type tells of a property. */
	describe(
		type: string,
		property: string,
	): { readonly description: string; readonly defaultText: string | null };
}

export function modelOf(data: MachineData): Model {
	const objects = new Map<
		string,
		MachineObject & { readonly children: MachineObject[] }
	>();
	for (const [path, type, list] of data.objects) {
		const slash = path.lastIndexOf("/");
		const parent =
			path === "/" ? undefined : objects.get(path.slice(0, slash) || "/");
		const object = {
			...{ path, parent, children: [] },
			name: path.slice(slash + 1),
			type: data.words[type] ?? "",
			properties: propertiesOf(list, data.words),
		};
		objects.set(path, object);
		parent?.children.push(object);
	}
	const root = objects.get("/");
	if (!root) throw new Error("the page has no machine");
	for (const object of objects.values())
		object.children.sort((a, b) => naturally.compare(a.name, b.name));
	return {
		...{ root, objects },
		describe(type, property) {
			const known = ownMember(data.descriptions, type);
			const [description, defaultText] = (known &&
				ownMember(known, property)) ?? [null, null];
			return { description: description ?? "", defaultText };
		},
	};
}

const naturally = new Intl.Collator("en", { numeric: true });

export function propertiesOf(
	list: readonly (number | string)[],
	words: readonly string[],
): readonly Property[] {
	const properties: Property[] = [];
	for (let at = 0; at < list.length; at += 4)
		properties.push({
			name: words[list[at] as number] ?? "",
			type: words[list[at + 1] as number] ?? "",
			kind: kinds[list[at + 2] as number] ?? "text",
			text: list[at + 3] as string,
		});
	return properties.sort((a, b) => naturally.compare(a.name, b.name));
}

/** A machine may have names that every object of JavaScript has. */
function ownMember<Member>(
	members: Readonly<Record<string, Member>>,
	name: string,
): Member | undefined {
	return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** One place where a search has found something. */
export interface Hit {
	readonly object: MachineObject;
	/** Undefined where the object itself was meant. */
	readonly property?: Property;
}

/** Finds a text in paths, types, names and values; the case of letters does not matter. */
export class Search {
	readonly #objects: readonly SearchedObject[];

	constructor(model: Model) {
		this.#objects = [...model.objects.values()].map((object) => ({
			hit: { object },
			text: `${object.path}\n${object.type}`.toLowerCase(),
			properties: object.properties
				.filter(({ kind }) => kind !== "child")
				.map((property) => ({
					hit: { object, property },
					text: `${property.name}\n${property.text}\n${property.type}`.toLowerCase(),
				})),
		}));
	}

	/** All of several words have to be there, of which a property must have one itself. */
	find(text: string): readonly Hit[] {
		const words = text
			.toLowerCase()
			.split(/\s+/)
			.filter((word) => word !== "");
		if (words.length === 0) return [];
		const found: Hit[] = [];
		for (const { hit, text, properties } of this.#objects) {
			const others = words.filter((word) => !text.includes(word));
			if (others.length === 0) found.push(hit);
			for (const property of properties)
				if (
					others.every((word) => property.text.includes(word)) &&
					(others.length > 0 ||
						words.some((word) => property.text.includes(word)))
				)
					found.push(property.hit);
		}
		return found;
	}
}

interface Searched {
	readonly hit: Hit;
	/** In small letters. */
	readonly text: string;
}

interface SearchedObject extends Searched {
	readonly properties: readonly Searched[];
}

/** An integer in other forms: `0x8000000, 128 MiB`; empty for a small one. */
export function otherForms(text: string): string {
	if (!/^-?\d+$/.test(text)) return "";
	const number = BigInt(text);
	if (number < 10n) return "";
	const units = ["", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let [size, unit] = [number, 0];
	while (size % 1024n === 0n && unit < units.length - 1) {
		size /= 1024n;
		unit++;
	}
	const hex = `0x${number.toString(16)}`;
	return unit === 0 ? hex : `${hex}, ${size} ${units[unit]}`;
}

/** The address, within the page, of an object. */
export function hrefOf(path: string): string {
	return `#${encodeURI(path.toWellFormed())}`;
}
