/** What `.qomfs` has to find one's way in a machine: its types, and links to its objects. */
import { joinPath, type QomPath, relativePath } from "../../qom/path.ts";
import { type Places, placeFinders } from "../../qom/places.ts";
import type { QomView } from "../../qom/source.ts";
import {
	entriesOf,
	madeDirectory,
	madeSymlink,
	type Place,
} from "../madeNodes.ts";
import type { Directory, Node } from "../node.ts";
import type { Volume } from "../volume.ts";
import { controlName } from "./controlDirectory.ts";
import { typesDirectory, typesName } from "./typesDirectory.ts";

export interface ExploringOptions {
	/** Lists what is told of a type only when it is described. */
	readonly introspects: boolean;
	/** How old the links may be, in ms. */
	readonly linksTtlMs: number;
}

export function exploringDirectories(
	view: QomView,
	volume: Volume,
	{ introspects, linksTtlMs }: ExploringOptions,
): readonly (readonly [name: string, directory: Directory])[] {
	return [
		[typesName, typesDirectory(view, volume, introspects)],
		...[...placeFinders].map(
			([name, find]) =>
				[
					name,
					placesDirectory(
						{ volume, path: `/${controlName}/${name}`, waits: true },
						keptFor(linksTtlMs, () => find(view)),
					),
				] as const,
		),
	];
}

/** Asks once for all who want to know at the same time, and not again for a while. */
function keptFor<Answer>(
	ttlMs: number,
	ask: () => Promise<Answer>,
): () => Promise<Answer> {
	let latest: Promise<Answer> | undefined;
	return () => {
		if (latest) return latest;
		const answer = ask();
		latest = answer;
		const drop = () => {
			if (latest === answer) latest = undefined;
		};
		// Its age counts from the end, or a large machine would be asked without end.
		answer.then(() => setTimeout(drop, ttlMs).unref(), drop);
		return answer;
	};
}

function placesDirectory(
	where: Omit<Place, "mtimeMs">,
	find: () => Promise<Places>,
): Directory {
	const { path, volume } = where;
	const place = { ...where, mtimeMs: volume.options.sinceMs() };
	const nodes = async () =>
		new Map(
			[...(await find())].map(([name, found]): [string, Node] => {
				const below = { ...place, path: joinPath(path, name) };
				return [
					name,
					typeof found === "string"
						? linkTo(below, path, found)
						: placesDirectory(below, async () => membersOf(await find(), name)),
				];
			}),
		);
	return madeDirectory(place, 0o555, {
		lookup: async (name) => (await nodes()).get(name),
		entries: async () => entriesOf(await nodes()),
	});
}

function linkTo(place: Place, directory: string, object: QomPath): Node {
	// It needs no QEMU: where it leads is known.
	return madeSymlink(
		{ ...place, waits: false },
		relativePath(directory, object),
	);
}

function membersOf(places: Places, name: string): Places {
	const members = places.get(name);
	return members === undefined || typeof members === "string"
		? new Map()
		: members;
}
