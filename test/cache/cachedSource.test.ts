import { beforeEach, describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import type { Json } from "../../src/json.ts";
import type { PropertyInfo, QomSource } from "../../src/qom/source.ts";

type Settle<Value> = Pick<PromiseWithResolvers<Value>, "resolve" | "reject">;

/** Counts what it is asked, and answers when the test says so. */
class FakeSource implements QomSource {
	readonly lists: ({ path: string } & Settle<readonly PropertyInfo[]>)[] = [];
	readonly gets: ({ key: string } & Settle<Json>)[] = [];

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

	peek(path: string, property: string): Promise<Json> {
		return this.get(path, property);
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
		cache.list("/a");
		nowMs += 60_000;
		cache.list("/a");
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
		cache.list("/a");
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

	it("that was peeked at twice is no younger for it", async () => {
		await peek(1);
		nowMs += 99;
		expect(await cache.peek("/a", "p")).toBe(1);
		nowMs += 1;
		await peek(2);
		expect(await cache.get("/a", "p")).toBe(2);
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
