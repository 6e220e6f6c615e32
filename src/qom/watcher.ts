/** Looks at objects again and again, and tells what has changed in between. */
import { QomError } from "../errors.ts";
import { formatJson, type Json } from "../json.ts";
import {
	redacted,
	type ShownValue,
	shownJson,
	shownValue,
} from "./contents.ts";
import { joinPath, type QomPath } from "./path.ts";
import type { ObjectContents, QomSource } from "./source.ts";
import { parseType } from "./types.ts";
import { walkLevels } from "./walk.ts";

/** What is watched. */
export type WatchTarget =
	| PlainTarget
	| {
			readonly kind: "places";
			/** What is there at the moment. */
			find(): Promise<readonly PlainTarget[]>;
	  };

export type PlainTarget =
	| {
			readonly kind: "property";
			readonly path: QomPath;
			readonly property: string;
	  }
	| {
			readonly kind: "tree";
			/** The object that has all that may be meant. */
			readonly start: QomPath;
			/** Whether it is told which objects come and go. */
			readonly isWhole: boolean;
			hasObject(path: QomPath): boolean;
			hasProperty(name: string): boolean;
	  };

/** A property at one moment. */
export interface SeenValue {
	readonly path: QomPath;
	readonly property: string;
	readonly value: ShownValue;
}

/** Everything that is watched, at one moment. */
export interface Sight {
	/** Their types; only of trees. */
	readonly objects: ReadonlyMap<QomPath, string | undefined>;
	/** By path and property. */
	readonly values: ReadonlyMap<string, SeenValue>;
}

/** What has changed between two moments. */
export type Change =
	| {
			readonly kind: "value";
			readonly path: QomPath;
			readonly property: string;
			/** Undefined where the property was not there, or not read. */
			readonly before: ShownValue | undefined;
			readonly after: ShownValue | undefined;
	  }
	| {
			readonly kind: "added" | "removed";
			readonly path: QomPath;
			readonly type: string | undefined;
	  };

/**
 * One look at everything that is watched. Where QEMU can give whole objects, it is asked for many at once.
 *
 * @throws DisconnectedError, TimeoutError
 */
export async function look(
	source: QomSource,
	wanted: readonly WatchTarget[],
): Promise<Sight> {
	const targets: PlainTarget[] = [];
	for (const each of wanted)
		if (each.kind === "places") targets.push(...(await each.find()));
		else targets.push(each);
	const objects = new Map<QomPath, string | undefined>();
	const values = new Map<string, SeenValue>();
	const put = (path: QomPath, property: string, value: ShownValue) =>
		values.set(joinPath(path, property), { path, property, value });
	const alone = targets.filter((target) => target.kind === "property");
	const asked =
		source.givesValues && alone.length > 1
			? await source.contents([...new Set(alone.map(({ path }) => path))])
			: new Map<QomPath, ObjectContents | QomError>();
	for (const { path, property } of alone) {
		const contents = asked.get(path);
		put(
			path,
			property,
			contents instanceof QomError
				? contents
				: await shownValue(source, path, property, contents ?? nothing),
		);
	}
	for (const target of targets) {
		if (target.kind === "property") continue;
		for await (const { path, type, contents } of walkLevels(
			source,
			target.start,
		)) {
			if (!target.hasObject(path)) continue;
			const seen = new Map<string, ShownValue>();
			for (const { name, type } of contents.properties)
				if (parseType(type).kind !== "child" && target.hasProperty(name))
					seen.set(name, await shownValue(source, path, name, contents));
			if ([...seen.values()].some(isGone)) continue;
			if (target.isWhole) objects.set(path, type ?? typeIn(seen));
			for (const [name, value] of seen) put(path, name, value);
		}
	}
	return { objects, values };
}

/** Nobody has listed the object where a tree begins. */
function typeIn(seen: ReadonlyMap<string, ShownValue>): string | undefined {
	const type = seen.get("type");
	return typeof type === "string" ? type : undefined;
}

/** Whether an object was unplugged between its listing and its values. */
function isGone(value: ShownValue): boolean {
	return value instanceof QomError && value.refusal === "no such object";
}

const nothing: ObjectContents = { properties: [], values: new Map() };

/** What is new, gone, or has another value; objects first. */
export function changesBetween(before: Sight, after: Sight): readonly Change[] {
	const changes: Change[] = [];
	for (const [path, type] of after.objects)
		if (!before.objects.has(path)) changes.push({ kind: "added", path, type });
	for (const [path, type] of before.objects)
		if (!after.objects.has(path)) changes.push({ kind: "removed", path, type });
	const isTold = (path: QomPath) =>
		before.objects.has(path) !== after.objects.has(path);
	for (const key of new Set([
		...before.values.keys(),
		...after.values.keys(),
	])) {
		const [early, late] = [before.values.get(key), after.values.get(key)];
		const seen = late ?? early;
		if (!seen || isTold(seen.path)) continue;
		if (early && late && textOf(early.value) === textOf(late.value)) continue;
		const { path, property } = seen;
		changes.push({
			...{ kind: "value", path, property },
			...{ before: early?.value, after: late?.value },
		});
	}
	return changes;
}

function textOf(value: ShownValue): string {
	return formatJson(shownJson(value));
}

/** A value that a file can hold; undefined where there is none, or it is nobody's business. */
export function jsonOf(value: ShownValue | undefined): Json | undefined {
	return value === redacted || value instanceof QomError ? undefined : value;
}
