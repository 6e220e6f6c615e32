import { beforeEach, describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import type { Json } from "../../src/json.ts";
import type {
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";

type Settle<Value> = Pick<PromiseWithResolvers<Value>, "resolve" | "reject">;

/** Counts what it is asked, and answers when the test says so. */
class FakeSource implements QomSource {
	readonly isWritable = true;
	readonly lists: ({ path: string } & Settle<readonly PropertyInfo[]>)[] = [];
	readonly gets: ({ key: string } & Settle<Json>)[] = [];
	readonly sets: ({ key: string; value: Json } & Settle<void>)[] = [];
	readonly describes: ({ type: string } & Settle<TypeDescription>)[] = [];

	readonly givesValues = false;

	contents(): Promise<ReadonlyMap<string, never>> {
		throw new Error("without values a cache asks for listings alone");
	}

	list(path: string): Promise<readonly PropertyInfo[]> {
		const { promise, ...settle } =
			Promise.withResolvers<readonly PropertyInfo[]>();
		this.lists.push({ path, ...settle });
		return promise;
	}

	get(path: string, property: string): Promise<Json> {
		const { promise, ...settle } = Promise.withResolvers<Json>();
		this.gets.push({ key: `${path}.${property}`, ...settle });
		return promise;
	}

	set(path: string, property: string, value: Json): Promise<void> {
		const { promise, ...settle } = Promise.withResolvers<void>();
		this.sets.push({ key: `${path}.${property}`, value, ...settle });
		return promise;
	}

	async qtree(): Promise<string> {
		return "";
	}

	async types(): Promise<readonly TypeInfo[]> {
		return [];
	}

	describe(type: string): Promise<TypeDescription> {
		const { promise, ...settle } = Promise.withResolvers<TypeDescription>();
		this.describes.push({ type, ...settle });
		return promise;
	}
}

const listing = (name: string) => [{ name, type: "string" }];

let source: FakeSource;
let nowMs: number;
let cache: CachedSource;

function create(valueTtlMs = 100): CachedSource {
	return new CachedSource(source, {
		listTtlMs: 1000,
		valueTtlMs,
		now: () => nowMs,
	});
}

beforeEach(() => {
	source = new FakeSource();
	nowMs = 5000;
	cache = create();
});

describe("a listing", () => {
	it("is asked for once, however many want it at the same time", async () => {
		const wanted = [cache.list("/a"), cache.list("/a"), cache.list("/a")];
		source.lists[0]?.resolve(listing("x"));
		expect(await Promise.all(wanted)).toStrictEqual([
			listing("x"),
			listing("x"),
			listing("x"),
		]);
		expect(source.lists).toHaveLength(1);
		expect(cache.counters).toStrictEqual({ hits: 2, misses: 1 });
	});

	it("is shared while it is awaited, however long that takes", () => {
		void cache.list("/a");
		nowMs += 60_000;
		void cache.list("/a");
		expect(source.lists).toHaveLength(1);
	});

	it("is kept apart from those of other paths", async () => {
		const both = [cache.list("/a"), cache.list("/b")];
		source.lists[1]?.resolve(listing("b"));
		source.lists[0]?.resolve(listing("a"));
		expect(await Promise.all(both)).toStrictEqual([listing("a"), listing("b")]);
		expect(source.lists.map(({ path }) => path)).toStrictEqual(["/a", "/b"]);
	});

	it("ages from its request, not from its answer", async () => {
		const first = cache.list("/a");
		nowMs += 600;
		source.lists[0]?.resolve(listing("old"));
		await first;
		nowMs += 399;
		expect(await cache.list("/a")).toStrictEqual(listing("old"));
		nowMs += 1;
		const second = cache.list("/a");
		source.lists[1]?.resolve(listing("new"));
		expect(await second).toStrictEqual(listing("new"));
	});

	it("that took longer than its age is given to those who waited, and not kept", async () => {
		const first = cache.list("/a");
		nowMs += 1000;
		source.lists[0]?.resolve(listing("x"));
		expect(await first).toStrictEqual(listing("x"));
		void cache.list("/a");
		expect(source.lists).toHaveLength(2);
	});

	it("that failed fails for all who waited, and is asked for anew", async () => {
		const failure = new Error("no such object");
		const wanted = [cache.list("/a"), cache.list("/a")];
		source.lists[0]?.reject(failure);
		for (const failed of wanted) await expect(failed).rejects.toBe(failure);
		const again = cache.list("/a");
		source.lists[1]?.resolve(listing("x"));
		expect(await again).toStrictEqual(listing("x"));
	});
});

describe("a value", () => {
	async function peek(value: Json): Promise<void> {
		const peeked = cache.peek("/a", "p");
		source.gets.at(-1)?.resolve(value);
		expect(await peeked).toBe(value);
	}

	async function get(value: Json): Promise<Json> {
		const got = cache.get("/a", "p");
		source.gets.at(-1)?.resolve(value);
		return got;
	}

	it("is asked anew for every get", async () => {
		expect(await get(1)).toBe(1);
		expect(await get(2)).toBe(2);
		expect(source.gets.map(({ key }) => key)).toStrictEqual(["/a.p", "/a.p"]);
	});

	it("that was peeked at is handed to one get only", async () => {
		await peek(1);
		expect(await cache.get("/a", "p")).toBe(1);
		expect(source.gets).toHaveLength(1);
		expect(await get(2)).toBe(2);
		expect(cache.counters).toStrictEqual({ hits: 1, misses: 2 });
	});

	it("that was peeked at is handed to one of two gets at the same time", async () => {
		await peek(1);
		const both = [cache.get("/a", "p"), cache.get("/a", "p")];
		source.gets[1]?.resolve(2);
		expect(await Promise.all(both)).toStrictEqual([1, 2]);
	});

	it("that was peeked at is handed out until its time is over", async () => {
		await peek(1);
		nowMs += 99;
		expect(await cache.get("/a", "p")).toBe(1);
		await peek(2);
		nowMs += 100;
		expect(await get(3)).toBe(3);
	});

	it("that is peeked at again and again waits on, for two seconds at most", async () => {
		await peek(1);
		for (let elapsedMs = 0; elapsedMs < 1950; elapsedMs += 50) {
			nowMs += 50;
			expect(await cache.peek("/a", "p")).toBe(1);
		}
		nowMs += 50;
		expect(await get(2)).toBe(2);
	});

	it("that was peeked at serves no other property", async () => {
		await peek(1);
		const other = cache.get("/a", "q");
		source.gets.at(-1)?.resolve(2);
		expect(await other).toBe(2);
	});

	it("that could not be peeked at is asked for anew", async () => {
		const failure = new Error("not readable");
		const peeked = cache.peek("/a", "p");
		source.gets[0]?.reject(failure);
		await expect(peeked).rejects.toBe(failure);
		expect(await get(1)).toBe(1);
	});

	it("is never older than the one that a get has shown before", async () => {
		const peeked = cache.peek("/a", "p");
		const overtaking = cache.get("/a", "p");
		source.gets[0]?.resolve("peeked first");
		source.gets[1]?.resolve("got later");
		await peeked;
		expect(await overtaking).toBe("got later");
		const next = cache.get("/a", "p");
		source.gets[2]?.resolve("newest");
		expect(await next).toBe("newest");
	});

	it("is not kept at all when its time is 0", async () => {
		cache = create(0);
		await peek(1);
		await peek(2);
		expect(await get(3)).toBe(3);
		expect(source.gets).toHaveLength(3);
	});
});

describe("a write", () => {
	/** Settles once the cache has done what it does after that. */
	const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

	async function peek(key: string, value: Json): Promise<void> {
		const peeked = cache.peek("/a", key);
		source.gets.at(-1)?.resolve(value);
		await peeked;
	}

	it("is passed on once, and its failure too", async () => {
		const set = cache.set("/a", "p", 5);
		expect(source.sets).toMatchObject([{ key: "/a.p", value: 5 }]);
		const failure = new Error("not writable");
		source.sets[0]?.reject(failure);
		await expect(set).rejects.toBe(failure);
		expect(source.sets).toHaveLength(1);
	});

	it.each(["p", "alias"])(
		"forgets what was peeked at before, of %s",
		async (key) => {
			await peek(key, "old");
			const set = cache.set("/a", "p", "new");
			source.sets[0]?.resolve();
			await set;
			const got = cache.get("/a", key);
			source.gets.at(-1)?.resolve("new");
			expect(await got).toBe("new");
			expect(source.gets).toHaveLength(2);
		},
	);

	it.each([
		["before the write was sent", 0],
		["while it was under way", 1],
	])("forgets what a peek brings that was sent %s", async (_when, order) => {
		const steps = [
			() => cache.peek("/a", "alias"),
			() => cache.set("/a", "p", "new"),
		];
		const [first, second] = (order ? steps.reverse() : steps).map((step) =>
			step(),
		);
		if (order) await settled();
		source.sets[0]?.resolve();
		await settled();
		source.gets[0]?.resolve("old");
		await Promise.all([first, second]);
		const got = cache.get("/a", "alias");
		source.gets[1]?.resolve("new");
		expect(await got).toBe("new");
	});

	it("forgets what was peeked at while it was under way", async () => {
		const set = cache.set("/a", "p", "new");
		await peek("p", "old");
		source.sets[0]?.resolve();
		await set;
		const got = cache.get("/a", "p");
		source.gets.at(-1)?.resolve("new");
		expect(await got).toBe("new");
	});

	it("that failed may have taken effect all the same: nothing is kept", async () => {
		const set = cache.set("/a", "p", "new");
		await peek("p", "old");
		source.sets[0]?.reject(new Error("no answer"));
		await expect(set).rejects.toThrow();
		const got = cache.get("/a", "p");
		source.gets.at(-1)?.resolve("new");
		expect(await got).toBe("new");
	});

	it("is followed by values that are kept as ever", async () => {
		const set = cache.set("/a", "p", "new");
		source.sets[0]?.resolve();
		await set;
		await peek("p", "new");
		expect(await cache.get("/a", "p")).toBe("new");
		expect(source.gets).toHaveLength(1);
	});

	it.each([
		["p", 1],
		["realized", 2],
	])("of %s: listings asked for are %d", async (property, count) => {
		const before = cache.list("/b");
		source.lists[0]?.resolve(listing("x"));
		await before;
		const set = cache.set("/a", property, false);
		source.sets[0]?.resolve();
		await set;
		void cache.list("/b");
		expect(source.lists).toHaveLength(count);
	});

	it("of 'realized': a listing under way is not kept", async () => {
		const before = cache.list("/b");
		const set = cache.set("/a", "realized", false);
		source.sets[0]?.resolve();
		await set;
		source.lists[0]?.resolve(listing("old"));
		await before;
		const after = cache.list("/b");
		source.lists[1]?.resolve(listing("new"));
		expect(await after).toStrictEqual(listing("new"));
	});
});

describe("a type's description", () => {
	const known = {
		properties: new Map([
			["p", { type: "int", description: "d", defaultValue: 1 }],
		]),
	};

	it("is asked for once, however long ago", async () => {
		const wanted = [cache.describe("t"), cache.describe("t")];
		source.describes[0]?.resolve(known);
		expect(await Promise.all(wanted)).toStrictEqual([known, known]);
		nowMs += 1e9;
		expect(await cache.describe("t")).toBe(known);
		void cache.describe("u");
		expect(source.describes.map(({ type }) => type)).toStrictEqual(["t", "u"]);
	});

	it("that failed is asked for anew", async () => {
		const failed = cache.describe("t");
		source.describes[0]?.reject(new Error("no answer"));
		await expect(failed).rejects.toThrow();
		void cache.describe("t");
		expect(source.describes).toHaveLength(2);
	});
});
