/** The cache over a source that is far away, on a simulated clock: how long sweeps take, and what they ask. */
import { describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import type { QomError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { paceAt } from "../../src/pace.ts";
import { joinPath } from "../../src/qom/path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";

const valueNames = ["p", "q", "r"];

/** Ten objects, each with ten below it: 111 with the root. */
const objects = new Map<string, readonly string[]>([
	["/", numbers(10).map((n) => `x${n}`)],
	...numbers(10).flatMap((n): [string, readonly string[]][] => [
		[`/x${n}`, numbers(10).map((m) => `y${m}`)],
		...numbers(10).map((m): [string, []] => [`/x${n}/y${m}`, []]),
	]),
]);

/** Answers every command a round trip after it was sent. */
class FarSource implements QomSource {
	readonly isWritable = true;
	readonly givesValues: boolean;
	readonly roundTripMs: number;
	readonly asked: string[] = [];
	nowMs = 1000;
	readonly #answers: { readonly dueMs: number; give: () => void }[] = [];

	constructor(givesValues: boolean, roundTripMs: number) {
		this.givesValues = givesValues;
		this.roundTripMs = roundTripMs;
	}

	/** Lets time pass until `act` has done all it does. */
	async run<Result>(act: () => Promise<Result>): Promise<Result> {
		let isDone = false;
		const result = act().finally(() => {
			isDone = true;
		});
		for (;;) {
			await new Promise((resolve) => setImmediate(resolve));
			const next = this.#answers.shift();
			if (isDone || !next) return result;
			this.nowMs = Math.max(this.nowMs, next.dueMs);
			next.give();
		}
	}

	async list(path: string): Promise<readonly PropertyInfo[]> {
		await this.#answered(path);
		return infos(path);
	}

	async contents(
		paths: readonly string[],
	): Promise<ReadonlyMap<string, ObjectContents | QomError>> {
		await this.#answered(...paths);
		return new Map(
			paths.map((path) => [
				path,
				{
					properties: infos(path),
					values: new Map(valueNames.map((name) => [name, this.nowMs])),
				},
			]),
		);
	}

	async get(path: string, property: string): Promise<Json> {
		await this.#answered(joinPath(path, property));
		return this.nowMs;
	}

	async set(): Promise<void> {}

	async qtree(): Promise<string> {
		return "";
	}

	async types(): Promise<readonly TypeInfo[]> {
		return [];
	}

	async describe(): Promise<TypeDescription> {
		return { properties: new Map() };
	}

	async #answered(...asked: string[]): Promise<void> {
		this.asked.push(...asked);
		await new Promise<void>((give) =>
			this.#answers.push({ dueMs: this.nowMs + this.roundTripMs, give }),
		);
	}
}

function infos(path: string): PropertyInfo[] {
	return [
		...valueNames.map((name) => ({ name, type: "int" })),
		{ name: "bus", type: "link<bus>" },
		...(objects.get(path) ?? []).map((name) => ({ name, type: "child<x>" })),
	];
}

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_none, index) => index);
}

function start(givesValues: boolean, roundTripMs: number, knownMs: number) {
	const source = new FarSource(givesValues, roundTripMs);
	const cache = new CachedSource(source, {
		listTtlMs: 60_000,
		valueTtlMs: 100,
		pace: () => paceAt(knownMs),
		now: () => source.nowMs,
	});
	/** As `find` (or `grep -r`, with `reads`) does. */
	const sweep = async (path: string, reads: boolean): Promise<void> => {
		for (const { name, type } of await cache.sweep(path))
			if (reads && type === "int") await cache.get(path, name);
		for (const name of objects.get(path) ?? [])
			await sweep(joinPath(path, name), reads);
	};
	/** How many round trips one after the other. */
	const sweepAll = async (reads: boolean) => {
		const startMs = source.nowMs;
		await source.run(() => sweep("/", reads));
		return (source.nowMs - startMs) / roundTripMs;
	};
	return { source, cache, sweepAll };
}

describe.each([
	{ givesValues: true, lists: 10, reads: 12 },
	{ givesValues: false, lists: 16, reads: 40 },
])("a sweep of a machine far away (%o)", ({ givesValues, lists, reads }) => {
	it.each([50, 90])(
		"waits for few of its listings at %d ms",
		async (roundTripMs) => {
			const far = start(givesValues, roundTripMs, roundTripMs);
			expect(await far.sweepAll(false)).toBeLessThanOrEqual(lists);
			expect(far.source.asked.toSorted()).toEqual([...objects.keys()].sort());
		},
	);

	it("waits for few of its values, and asks for each once", async () => {
		const far = start(givesValues, 50, 50);
		expect(await far.sweepAll(true)).toBeLessThanOrEqual(reads);
		const { asked } = far.source;
		expect(new Set(asked).size).toBe(objects.size * (givesValues ? 1 : 4));
		expect(asked.length).toBeLessThan(1.2 * new Set(asked).size);
	});

	it("does not pause while it waits for QEMU, though that takes longer than a pause", async () => {
		const near = start(givesValues, 50, 50);
		const far = start(givesValues, 110, 50);
		expect(await far.sweepAll(true)).toBe(await near.sweepAll(true));
		expect(far.source.asked).toEqual(near.source.asked);
	});

	it("asks for nothing in vain where it is near", async () => {
		const near = start(givesValues, 1, 1);
		await near.sweepAll(true);
		const { asked } = near.source;
		expect(asked.length).toBe(new Set(asked).size);
	});
});

it("a pause is over for good, though QEMU answers somebody else after it", async () => {
	const { source, cache } = start(true, 50, 50);
	await source.run(() => cache.sweep("/x1"));
	await source.run(() => cache.get("/x1", "p"));
	source.nowMs += 100;
	await source.run(() => cache.list("/x2"));
	const asked = source.asked.length;
	await source.run(() => cache.get("/x1", "q"));
	expect(source.asked.slice(asked)).toEqual(["/x1/q"]);
});

describe("values that are asked for ahead one by one", () => {
	const withoutValues = () => {
		const { source, cache } = start(false, 50, 50);
		const list = (path: string) => source.run(() => cache.sweep(path));
		const get = (path: string, name: string) =>
			source.run(() => cache.get(path, name));
		/** What was asked for, in the order in which it was sent. */
		const askedBy = async (act: () => Promise<unknown>) => {
			const before = source.asked.length;
			await act();
			return source.asked.slice(before);
		};
		return { source, cache, list, get, askedBy };
	};

	it("are not, for one that is read alone", async () => {
		const { list, get, askedBy } = withoutValues();
		await list("/x1");
		expect(await askedBy(() => get("/x1", "p"))).toEqual(["/x1/p"]);
		expect(await askedBy(() => get("/x1", "p"))).toEqual(["/x1/p"]);
	});

	it("are those of the same object alone, without a sweep, and no links", async () => {
		const { list, get, askedBy } = withoutValues();
		await list("/x1");
		await get("/x1", "p");
		const asked = await askedBy(() => get("/x1", "q"));
		expect(asked.toSorted()).toEqual(["/x1/q", "/x1/r"]);
		expect(await askedBy(() => get("/x1", "r"))).toEqual([]);
	});

	it("are each for one who reads", async () => {
		const { source, cache, list, get, askedBy } = withoutValues();
		await list("/x1");
		await get("/x1", "p");
		const asked = await askedBy(() =>
			source.run(() =>
				Promise.all(["q", "r", "r"].map((name) => cache.get("/x1", name))),
			),
		);
		expect(asked.toSorted()).toEqual(["/x1/q", "/x1/r", "/x1/r"]);
	});

	it("are asked for again where they came too late", async () => {
		const { source, cache, list, get } = withoutValues();
		await list("/x1");
		await get("/x1", "p");
		const first = cache.get("/x1", "q");
		source.nowMs += 2000;
		const late = cache.get("/x1", "r");
		await source.run(() => Promise.all([first, late]));
		expect(source.asked.filter((asked) => asked === "/x1/r")).toHaveLength(2);
	});

	it("are gone after a pause", async () => {
		const { source, list, get, askedBy } = withoutValues();
		await list("/x1");
		await get("/x1", "p");
		await get("/x1", "q");
		source.nowMs += 200;
		expect(await askedBy(() => get("/x1", "r"))).toEqual(["/x1/r"]);
	});
});
